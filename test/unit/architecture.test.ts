/** The import rules of .dependency-cruiser.cjs hold, and the tool that says so really saw the code. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ROOMS = ['cmd', 'internal', 'adapters', 'api', 'examples', 'test']

const Report = z.object({
  summary: z.object({
    totalCruised: z.number(),
    violations: z.array(z.object({ from: z.string(), to: z.string(), rule: z.object({ name: z.string() }) })),
  }),
  modules: z.array(z.object({ source: z.string() })),
})

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...ROOMS], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file.endsWith('.ts'))

function cruise(): z.infer<typeof Report> {
  const args = [...ROOMS, '--config', '.dependency-cruiser.cjs', '--output-type', 'json']
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 } as const
  return Report.parse(JSON.parse(execFileSync('node_modules/.bin/depcruise', args, options)))
}

describe('the rooms', () => {
  const report = cruise()

  test('keep to their import rules', () => {
    expect(report.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual(
      [],
    )
  })

  test('were all looked into', () => {
    const seen = new Set(report.modules.map((module) => module.source))
    expect(tracked.filter((file) => !seen.has(file))).toEqual([])
    expect(tracked.length).toBeGreaterThan(100)
  })
})

describe('files', () => {
  test.each(ROOMS)('in %s stay under 400 lines', (room) => {
    const long = tracked
      .filter((file) => file.startsWith(`${room}/`))
      .map((file) => ({ file, lines: readFileSync(`${ROOT}/${file}`, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 400)
    expect(long).toEqual([])
  })

  test('of a program stay under 150 lines where it only wires', () => {
    const wiring = tracked.filter((file) => /^cmd\/(agent-manager|demo)\//.test(file))
    const long = wiring.filter((file) => readFileSync(`${ROOT}/${file}`, 'utf8').split('\n').length > 151)
    expect(long).toEqual([])
  })
})
