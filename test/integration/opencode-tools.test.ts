/** Lists of tools and rules of paths hold the real opencode. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { judge } from '../../internal/engine/permission-gate.ts'
import { openTheatre, prepareStage, type Stage } from '../support/opencode-turn.ts'
import { payloadsOf } from '../support/played-turn.ts'

const DEADLINE = { timeout: 60_000 }
let stage: Stage
beforeAll(async () => {
  stage = await prepareStage()
})

/** Two files, one after the other, then a word. */
const WRITES = {
  name: 'writes',
  steps: [
    { tool_calls: [{ tool: 'write', path: 'src/one.txt', content: 'one\n' }] },
    { tool_calls: [{ tool: 'write', path: 'docs/two.txt', content: 'two\n' }] },
    { text: 'Done.' },
  ],
}

describe('opencode', () => {
  it("offers the model only what is allowed, by claude's names", DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const { outcome } = await theatre.play({ allowedTools: ['Read', 'Glob', 'Grep', 'LS'] })

    expect(outcome.kind).toBe('completed')
    expect([...(theatre.calls.at(-1)?.tools ?? [])].sort()).toEqual(['glob', 'grep', 'read'])
  })

  it('does not offer what is denied, and tells an agent that tries it all the same', DEADLINE, async () => {
    const tries = { tool_calls: [{ tool: 'raw', name: 'bash', input: { command: 'touch tried' } }] }
    const theatre = await openTheatre(stage, { name: 'tries', steps: [tries, { text: 'Then not.' }] })

    const played = await theatre.play({ deniedTools: ['Bash', 'web_fetch'], permissionMode: 'bypass' })

    const offered = theatre.calls.at(-1)?.tools ?? []
    expect(offered).toContain('write')
    expect(offered).not.toContain('bash')
    expect(offered).not.toContain('webfetch')
    expect(payloadsOf(played, 'tool_result')).toMatchObject([{ tool_name: 'invalid' }])
    expect(existsSync(join(theatre.work, 'tried'))).toBe(false)
  })

  it('asks before each write where paths have rules, and the gate keeps them', DEADLINE, async () => {
    const theatre = await openTheatre(stage, WRITES)
    const config = {
      permissionMode: 'bypass',
      allowedTools: [],
      deniedTools: [],
      allowedPaths: ['src/**'],
      deniedPaths: [],
    } as const

    const played = await theatre.play({
      asksToWrite: true,
      permissionMode: 'bypass',
      decide: (asked) => {
        const verdict = judge({ config, contained: true, root: theatre.work }, asked)
        return { allow: verdict.kind === 'allow', message: verdict.kind === 'deny' ? verdict.message : '' }
      },
    })

    expect(played.asked.map(({ toolName }) => toolName)).toEqual(['write', 'write'])
    expect(existsSync(join(theatre.work, 'src/one.txt'))).toBe(true)
    expect(existsSync(join(theatre.work, 'docs/two.txt'))).toBe(false)
    expect(payloadsOf(played, 'tool_result').at(-1)?.error).toContain('src/**')
  })
})
