/** agentctl on a terminal of its own (`script` of util-linux): colours, questions, Ctrl-C. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test as plainTest } from 'vitest'
import { findProgram } from '../../internal/process/find-program.ts'
import { AGENTCTL } from '../support/agentctl.ts'
import { createRun, eventsOf, runOf, until } from '../support/client.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

const SCRIPT = findProgram('script', process.env['PATH'] ?? '')
const hasScript =
  SCRIPT !== null && execFileSync(SCRIPT, ['--version'], { encoding: 'utf8' }).includes('util-linux')
const test = (name: string, body: () => Promise<void>) =>
  plainTest(name, { timeout: 120_000 }, async ({ skip }) => {
    if (!hasScript) skip('the program script of util-linux is not installed')
    await body()
  })

let world: World
let service: RunningService
beforeAll(async () => {
  world = await makeWorld('demo')
  service = await startService(world.env)
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

interface Terminal {
  readonly child: ChildProcess
  /** Everything that was shown, without colours and cursor movements. */
  text(): string
  raw(): string
  type(keys: string): void
  readonly ended: Promise<number | null>
}

function terminal(command: string, more: Record<string, string> = {}): Terminal {
  const env = { PATH: process.env['PATH'], HOME: world.base, TERM: 'xterm', USER: 'ada', ...more }
  const args = ['-qfec', `stty cols 120 rows 40; ${AGENTCTL} --url ${service.url} ${command}`, '/dev/null']
  const child = spawn(SCRIPT ?? 'script', args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let raw = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text
  })
  return {
    child,
    raw: () => raw,
    text: () => stripVTControlCharacters(raw),
    type: (keys) => void child.stdin.write(keys),
    ended: once(child, 'close').then(([code]) => code),
  }
}

const shows = (shown: Terminal, words: string, times = 1) =>
  until(
    `"${words}" on the terminal`,
    async () => shown.text(),
    (text) => text.split(words).length > times,
  )

async function project(name: string, profile: object): Promise<string> {
  mkdirSync(join(world.base, name))
  return (await createRun(service.url, makeGitProject(join(world.base, name), GREETER), { profile })).id
}

/** More questions than were answered, and the newest with all its choices. */
const isAsked = (text: string, answered: number): boolean => {
  const asked = text.split('? asks:')
  return asked.length - 1 > answered && (asked.at(-1) ?? '').includes('Deny')
}

const DOWN = '\u001b[B'
const ENTER = '\r'

test('permissions are answered where the run is watched, and the turn goes on', async () => {
  const id = await project('asked', { permission_mode: 'ask' })
  const watching = terminal(`run watch ${id} --answer`)
  let hasEnded = false
  void watching.ended.then(() => {
    hasEnded = true
  })
  for (let answered = 0; ; answered += 1) {
    await until(
      'a question or the end',
      async () => watching.text(),
      (text) => hasEnded || isAsked(text, answered),
    )
    if (hasEnded) break
    watching.type(answered === 0 ? ENTER : DOWN + ENTER) // once, then for the rest of the run
  }
  expect(await watching.ended).toBe(0)
  expect(watching.text()).toContain('· needs review')
  const decided = (await eventsOf(service.url, id)).flatMap((event) => event['interaction'] ?? [])
  expect(decided.filter((one) => one.status === 'answered').map((one) => one.decided_by)).toContain('ada')
  expect(decided.map((one) => one.status)).not.toContain('expired')
})

test('Ctrl-C at a question leaves the run going', async () => {
  const id = await project('left', { permission_mode: 'ask' })
  const watching = terminal(`run watch ${id} --answer`)
  await shows(watching, 'Allow for the rest of this run')
  watching.type('\u0003')
  expect(await watching.ended).toBe(130)
  expect(watching.text()).toContain(`agentctl run watch ${id} --after`)
  expect((await runOf(service.url, id))['pending_interactions']).toBe(1)
})

test('there is colour for people who want it', async () => {
  const coloured = terminal('runner list')
  expect(await coloured.ended).toBe(0)
  expect(coloured.raw()).toContain('\u001b[3')
  for (const plain of [
    terminal('runner list --no-color'),
    terminal('runner list', { NO_COLOR: '1' }),
    terminal('runner list --json'),
  ]) {
    expect(await plain.ended).toBe(0)
    expect(plain.raw()).not.toContain('\u001b[')
  }
})

test('init asks where, who and what, and shows the run', async () => {
  mkdirSync(join(world.base, 'guided'))
  const root = makeGitProject(join(world.base, 'guided'), GREETER)
  const guided = terminal(`init --runner opencode --project '${root}'`)
  await shows(guided, 'Which model?')
  guided.type(ENTER)
  await shows(guided, 'What is to be done?')
  guided.type(`Greet the world${ENTER}`)
  expect(await guided.ended).toBe(0)
  expect(guided.text()).toContain('> Greet the world')
  expect(guided.text()).toContain('agentctl run approve')
})
