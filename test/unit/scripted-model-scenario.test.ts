import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../cmd/scripted-model/anthropic.ts'
import { chunks, workingDirectory } from '../../cmd/scripted-model/dialect.ts'
import { checkScenario, readScenario, stepAt, stepWithoutTools } from '../../cmd/scripted-model/scenario.ts'
import { translate } from '../../cmd/scripted-model/tools.ts'

const SCENARIOS = join(import.meta.dirname, '../../cmd/scripted-model/scenarios')
const offered = (...names: string[]) => names.map((name) => ({ name, kind: 'function' as const }))

describe('scenarios', () => {
  it.each(readdirSync(SCENARIOS))('%s is valid and bears its name', (file) => {
    expect(`${readScenario(join(SCENARIOS, file)).name}.json`).toBe(file)
  })

  it('says what is wrong, and where', () => {
    const broken = { name: 'x', steps: [{ text: 'a' }, {}, { tool_calls: [{ tool: 'fly' }] }], more: 1 }

    expect(() => checkScenario(broken, 'x.json')).toThrow(
      /x\.json.*steps\.1: a step needs one of.*steps\.2\./,
    )
    expect(() => readScenario('/nowhere.json')).toThrow('/nowhere.json cannot be read')
  })

  it('takes the step by how often the model has spoken, then the closing words', () => {
    const scenario = checkScenario({ name: 'x', steps: [{ text: 'a' }, { text: 'b' }], end: 'over' }, 'x')

    expect([0, 1, 2, 9].map((spoken) => stepAt(scenario, spoken).text)).toEqual(['a', 'b', 'over', 'over'])
    expect(stepWithoutTools(scenario).text).toBe('Scripted session')
  })
})

describe('translate', () => {
  const write = { tool: 'write', path: 'a.txt', content: 'x\ny\n' } as const

  it('speaks the words of the CLI that offers the tools', () => {
    expect(translate(write, offered('bash', 'write'), '/w', 'c')).toMatchObject({
      name: 'write',
      input: { filePath: '/w/a.txt', content: 'x\ny\n' },
    })
    expect(translate(write, offered('Bash', 'Write'), '/w', 'c')).toMatchObject({
      name: 'Write',
      input: { file_path: '/w/a.txt' },
    })
    expect(translate(write, [{ name: 'apply_patch', kind: 'custom' }], '/w', 'c')).toEqual({
      id: 'c',
      name: 'apply_patch',
      kind: 'custom',
      input: '*** Begin Patch\n*** Add File: a.txt\n+x\n+y\n*** End Patch\n',
    })
    expect(translate({ tool: 'shell', command: 'ls' }, offered('exec_command'), null, 'c')).toMatchObject({
      input: { cmd: 'ls' },
    })
  })

  it('leaves absolute paths and raw calls as they are, and says when there is no tool', () => {
    const absolute = { ...write, path: '/etc/x' }

    expect(translate(absolute, offered('write'), '/w', 'c')).toMatchObject({ input: { filePath: '/etc/x' } })
    expect(translate({ tool: 'raw', name: 'task', input: { a: 1 } }, [], null, 'c')).toMatchObject({
      name: 'task',
    })
    expect(translate(write, offered('read'), '/w', 'c')).toBeNull()
  })
})

describe('dialect helpers', () => {
  it('cuts text without breaking a character', () => {
    expect(chunks('ab😀cd', 3)).toEqual(['ab', '😀c', 'd'])
    expect(chunks('', 3)).toEqual([])
  })

  it('finds the working directory that a CLI names', () => {
    expect(workingDirectory(['<env>\n  Working directory: /tmp/wörk dir\n  Git: no\n</env>'])).toBe(
      '/tmp/wörk dir',
    )
    expect(workingDirectory(['nothing', '<cwd>/x</cwd>'])).toBe('/x')
    expect(workingDirectory(['nothing'])).toBeNull()
  })
})

it('what claude-code puts for an answer that never came is not counted as one', () => {
  const messages = [
    { role: 'user', content: 'Do it' },
    { role: 'assistant', content: [{ type: 'text', text: 'No response requested.' }] },
    { role: 'user', content: 'Go on' },
    { role: 'assistant', content: [{ type: 'text', text: 'Done.' }] },
  ]
  const request = { model: 'm', max_tokens: 1, messages }

  expect(anthropic.parse(request).spoken).toBe(1)
})
