import { describe, expect, it } from 'vitest'
import { mergeSettings, namesInContent } from '../../adapters/runners/opencode/settings.ts'
import type { PermissionMode } from '../../internal/runner/port.ts'

const turn = (model: string | null, permissionMode: PermissionMode = 'auto', contained = true) => ({
  model,
  permissionMode,
  contained,
  allowedTools: [],
  deniedTools: [],
  asksToWrite: false,
})

const merged = (...request: Parameters<typeof mergeSettings>) => {
  const result = mergeSettings(...request)
  if (!result.ok) throw new Error(result.message)
  return { ...result, content: JSON.parse(result.content) as Record<string, unknown> }
}

describe('mergeSettings', () => {
  it('sets what keeps opencode to itself, over what the operator gave', () => {
    const given = JSON.stringify({
      autoupdate: true,
      share: 'auto',
      theme: 'dark',
      permission: { bash: 'allow' },
    })

    const { content, model } = merged(given, turn('anthropic/claude-x', 'read_only'))

    expect(model).toEqual({ providerID: 'anthropic', modelID: 'claude-x' })
    expect(content).toEqual({
      theme: 'dark',
      model: 'anthropic/claude-x',
      small_model: 'anthropic/claude-x',
      autoupdate: false,
      share: 'disabled',
      enabled_providers: ['anthropic'],
      permission: { '*': 'allow', edit: 'deny', bash: 'deny', external_directory: 'ask', doom_loop: 'ask' },
    })
  })

  it("keeps the operator's small model and allows its provider", () => {
    const { content } = merged('{"model":"a/one","small_model":"b/two/free"}', turn(null))

    expect(content).toMatchObject({
      model: 'a/one',
      small_model: 'b/two/free',
      enabled_providers: ['a', 'b'],
    })
  })

  it("prefers the profile's model and keeps slashes in its name", () => {
    const { model } = merged('{"model":"a/one"}', turn('openrouter/vendor/model', 'bypass'))

    expect(model).toEqual({ providerID: 'openrouter', modelID: 'vendor/model' })
  })

  it('names the keys that the configuration refers to, and those of the provider', () => {
    const given =
      '{"provider":{"x":{"options":{"apiKey":"{env:X_KEY}"}},"y":{"options":{"apiKey":"{env:X_KEY}"}}}}'

    expect(merged(given, turn('anthropic/m')).keyNames).toEqual(['X_KEY', 'ANTHROPIC_API_KEY'])
    expect(merged(given, turn('x/m')).keyNames).toEqual(['X_KEY'])
  })

  it.each([
    ['no model at all', undefined, null, 'needs a model'],
    ['a model without provider', undefined, 'claude', 'provider/model'],
    ['a model without name', undefined, 'anthropic/', 'provider/model'],
    ['broken JSON', '{', 'a/b', 'not a JSON object'],
    ['a JSON array', '[]', 'a/b', 'not a JSON object'],
  ])('refuses %s', (_what, given, model, message) => {
    expect(mergeSettings(given, turn(model))).toEqual({
      ok: false,
      message: expect.stringContaining(message),
    })
  })

  it('lets commands pass by themselves only where something holds them', () => {
    expect(merged(undefined, turn('a/b', 'auto', true)).content['permission']).not.toHaveProperty('bash')
    expect(merged(undefined, turn('a/b', 'auto', false)).content['permission']).toMatchObject({ bash: 'ask' })
    expect(merged(undefined, turn('a/b', 'bypass', false)).content['permission']).toEqual({ '*': 'allow' })
  })

  it('asks for everything that writes or runs in the asking mode', () => {
    const { permission } = merged(undefined, turn('a/b', 'ask')).content as {
      permission: Record<string, string>
    }

    expect(permission['*']).toBe('ask')
    expect(Object.keys(permission)[0]).toBe('*')
    expect(permission).not.toHaveProperty('bash')
    expect(permission).not.toHaveProperty('edit')
  })
})

describe('namesInContent', () => {
  it('finds each name once and nothing that is no name', () => {
    expect(namesInContent('{env:A_1} {env:A_1} {env:} {env:1B} {file:C}')).toEqual(['A_1'])
    expect(namesInContent(undefined)).toEqual([])
  })
})
