import { describe, expect, it } from 'vitest'
import { type PermissionFacts, permissionsOf } from '../../adapters/runners/opencode/permissions.ts'
import { unknownTools } from '../../adapters/runners/opencode/tool-names.ts'

const permissions = (change: Partial<PermissionFacts>) =>
  permissionsOf({
    permissionMode: 'auto',
    contained: true,
    allowedTools: [],
    deniedTools: [],
    asksToWrite: false,
    ...change,
  })

describe('allowed tools', () => {
  it("are all there is, need no asking, and go by claude's names too; leaving the folder asks", () => {
    const allowedTools = ['Read', 'Write', 'Edit', 'Bash', 'LS', 'Glob', 'Grep']

    for (const permissionMode of ['ask', 'auto', 'bypass'] as const) {
      expect(permissions({ allowedTools, permissionMode })).toEqual({
        '*': 'deny',
        external_directory: 'ask',
        doom_loop: 'ask',
        read: 'allow',
        edit: 'allow',
        bash: 'allow',
        list: 'allow',
        glob: 'allow',
        grep: 'allow',
      })
    }
  })

  it('of a run that may only read do not change or run anything', () => {
    const read = permissions({ allowedTools: ['read', 'write', 'shell'], permissionMode: 'read_only' })

    expect(read).toEqual({ '*': 'deny', external_directory: 'ask', doom_loop: 'ask', read: 'allow' })
  })

  it.each([
    [['write'], []],
    [['edit', 'read'], []],
    [[], ['write']],
    [['write', 'edit'], ['edit']],
  ])('that write, but not all of them, are asked: allowed %j, denied %j', (allowedTools, deniedTools) => {
    expect(permissions({ allowedTools, deniedTools })).toMatchObject({ edit: 'ask' })
  })

  it('do not come in by rules of paths', () => {
    expect(permissions({ allowedTools: ['read'], asksToWrite: true })).not.toHaveProperty('edit')
    expect(permissions({ permissionMode: 'read_only', asksToWrite: true })).toMatchObject({ edit: 'deny' })
  })
})

describe('denied tools', () => {
  it('are not offered, in no mode', () => {
    for (const permissionMode of ['ask', 'auto', 'bypass', 'read_only'] as const) {
      const made = permissions({ deniedTools: ['WebFetch', 'shell', 'Write', 'Edit'], permissionMode })

      expect(made).toMatchObject({ webfetch: 'deny', bash: 'deny', edit: 'deny' })
    }
  })
})

describe('rules of paths', () => {
  it('have every write asked, also where everything is allowed', () => {
    expect(permissions({ permissionMode: 'bypass', asksToWrite: true })).toEqual({
      '*': 'allow',
      edit: 'ask',
    })
  })
})

it('knows which rules opencode cannot be held to', () => {
  const rules = ['read', 'Bash', 'todowrite', 'Bash(git log:*)', 'mcp:docs', 'Unheard']

  expect(unknownTools(rules)).toEqual(['Bash(git log:*)', 'mcp:docs', 'Unheard'])
})
