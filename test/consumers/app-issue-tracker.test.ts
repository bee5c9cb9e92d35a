/** The example of an issue tracker, as a program of its own, against the real service and claude-code. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Json, runOf, until } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

const EXAMPLE = fileURLToPath(new URL('../../examples/app-issue-tracker.ts', import.meta.url))

async function open(
  scenario: string | object,
): Promise<{ world: World; service: RunningService; root: string }> {
  const world = await makeWorld(scenario, 'claude-code')
  const service = await startService(world.env)
  onTestFinished(async () => {
    await service.end('SIGTERM')
    await world.cleanUp()
  })
  mkdirSync(join(world.base, 'project'))
  return { world, service, root: makeGitProject(join(world.base, 'project'), GREETER) }
}

interface Tracker {
  readonly process: ChildProcess
  /** What it told so far. */
  lines(): Json[]
  line(event: string): Promise<Json>
  readonly code: Promise<number | null>
}

function track({ world, service, root }: Awaited<ReturnType<typeof open>>): Tracker {
  const args = ['--issue', '12', '--title', 'Empty names', '--text', 'Greet nobody.', '--project', root]
  const child = spawn(process.execPath, [EXAMPLE, ...args, '--url', service.url, '--out', outOf(world)], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  const lines = (): Json[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  return {
    process: child,
    lines,
    line: (event) =>
      until(
        event,
        async () => lines().find((line) => line['event'] === event) ?? {},
        (line) => line['event'] === event,
      ),
    code: once(child, 'close').then(([code]) => code),
  }
}

const outOf = (world: World): string => join(world.base, 'issues')
const read = (world: World, file: string): string => readFileSync(join(outOf(world), file), 'utf8')

describe('an issue', () => {
  test('is worked on for up to 80 minutes with its tools; transcript, session and last words are kept', async () => {
    const place = await open('write-file')

    const tracker = track(place)

    expect(await tracker.code).toBe(0)
    const [started, completed] = tracker.lines()
    const run = await runOf(place.service.url, started?.['run_id'])
    expect(run).toMatchObject({
      tag: 'app-issue-tracker-12',
      status: 'RUN_STATUS_NEEDS_REVIEW',
      resolved_config: {
        timeout: '4800s',
        max_turns: 80,
        allowed_tools: ['Read', 'Write', 'Edit', 'Bash', 'LS', 'Glob', 'Grep'],
      },
    })
    expect(completed).toMatchObject({
      event: 'agent.completed',
      session_id: run['session_id'],
      last_message: 'I wrote greeting.txt.',
      diff: { files: 1 },
    })
    expect(completed?.['session_id']).toBeTypeOf('string')
    expect(read(place.world, '12.last-message.txt')).toBe('I wrote greeting.txt.')
    const transcript = read(place.world, '12.transcript.jsonl').trimEnd().split('\n')
    expect(transcript.map((line) => JSON.parse(line).sequence)).toEqual(
      transcript.map((_, index) => index + 1),
    )
    expect(git(place.root, 'status', '--porcelain')).toBe('')
  })

  test('at a limit of its provider is put off until the time that the limit ends', async () => {
    const place = await open('error-429')

    const tracker = track(place)

    expect(await tracker.code).toBe(75)
    const changed = tracker.lines().filter((line) => line['event'] === 'rate_limit.changed')
    expect(changed.length).toBeGreaterThan(0)
    const failed = tracker.lines().at(-1)
    expect(failed).toMatchObject({
      event: 'agent.failed',
      code: 'rate_limited',
      reset_time: changed.at(-1)?.['reset_time'],
    })
    expect(Date.parse(failed?.['reset_time'])).toBeGreaterThan(0)
  })

  test('is found again by a tracker that was killed, and stopped by it', async () => {
    const place = await open('hang')
    const first = track(place)
    const { run_id: id } = await first.line('agent.started')
    first.process.kill('SIGKILL')
    await first.code

    const second = track(place)

    expect(await second.line('agent.started')).toMatchObject({ run_id: id, resumed: true })
    second.process.kill('SIGINT')
    expect(await second.code).toBe(130)
    expect(second.lines().at(-1)).toMatchObject({ event: 'agent.stopped', run_id: id })
    expect(await runOf(place.service.url, id)).toMatchObject({ status: 'RUN_STATUS_CANCELLED' })
  })
})
