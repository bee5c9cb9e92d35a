/**
 * Sixty readers, each losing its connection again and again, of logs that are being written: by agents of the service
 * itself, and by another replica that tells it nothing. Each must have seen the log, event for event.
 *
 * `SEED` chooses what happens, `DURATION` (s) for how long.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call, createRun, FINISHED, type Json, untilRun } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { insertTaskRow } from '../support/rows.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'
import type { Wish } from '../support/streams/ledger.ts'
import { type KnownRun, readLogs } from '../support/streams/logs.ts'
import { type Random, randomOf } from '../support/streams/random.ts'
import { Reader } from '../support/streams/reader.ts'
import { Writers } from '../support/streams/writers.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const DURATION_MS = Number(process.env['DURATION'] ?? 30) * 1000
const READERS = 60
const WRITERS = 4
/** A reader's cursors name every run it knows, and a subscription takes 1000. */
const MAX_RUNS = 300
/** For the readers to get the rest once nothing is written any more. */
const SETTLE_MS = 60_000
/** For a run of the service to come to its end. */
const RUN_MS = 90_000
const TAGS = ['red', 'green', 'green-dark']
/** Runs whose events the service itself writes. */
const OWN_TAG = 'own'

/** An agent that is soon done, so that many of them write. */
const SCENARIO = {
  name: 'streams',
  steps: [
    { text: 'Looking.', chunk_chars: 2, tool_calls: [{ tool: 'shell', command: 'echo looked' }] },
    { text: 'Nothing to do here.', chunk_chars: 2 },
  ],
}

let database: TestDatabase
let world: World
let service: RunningService
beforeAll(async () => {
  database = await createTestDatabase()
  world = await makeWorld(SCENARIO)
  // The host may be the folder of a socket, which only fits into the query.
  const url = ({ user, password, host, port, database: name }: TestDatabase['connection']) =>
    `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${name}?host=${encodeURIComponent(host)}`
  service = await startService({
    ...world.env,
    DATABASE_URL: url(database.connection),
    DATABASE_MIGRATION_URL: url(database.owner),
    // One agent at a time: the others wait in the queue.
    AGENT_MANAGER_CONCURRENCY_MAX_CONCURRENT_RUNS: '1',
  })
})
afterAll(async () => {
  await service?.end('SIGTERM')
  await world?.cleanUp()
  await database?.close()
})

const say = (line: string) => process.stdout.write(`streams: ${line}\n`)

type OwnRun = KnownRun & { status: string }

/** Which runs each reader wants: every form, the same for the same seed. */
function wishes(random: Random, tasks: readonly string[], runs: readonly { id: string }[]) {
  return Array.from({ length: READERS }, (_, index) => {
    const single: Wish = { kind: 'run', runId: random.pick(runs).id }
    const forms: { over: 'websocket' | 'sse'; wish: Wish }[] = [
      { over: 'websocket', wish: single },
      { over: 'sse', wish: single },
      { over: 'websocket', wish: { kind: 'task', taskId: random.pick(tasks) } },
      { over: 'websocket', wish: { kind: 'tag', prefix: random.pick([...TAGS, OWN_TAG]) } },
      { over: 'websocket', wish: { kind: 'all' } },
      { over: 'sse', wish: single },
    ]
    const form = forms[index % forms.length]!
    return { ...form, isFiltered: random.chance(0.2) }
  })
}

/** Runs that the service itself writes: one agent after another, and beside it runs that are stopped in the queue. */
async function ownRuns(
  random: Random,
  { root, runs, isPatient }: { root: string; runs: OwnRun[]; isPatient: boolean },
  until: () => boolean,
): Promise<void> {
  const isFinished = ({ status }: Json) => FINISHED.includes(status)
  while (!until()) {
    const createdAt = performance.now()
    const tag = `${OWN_TAG}-${random.int(0, 99)}`
    const { id, taskId } = await createRun(service.url, root, { run: { tag } })
    const run = { id, taskId, tag, createdAt, writtenAt: createdAt, status: '' }
    runs.push(run)
    if (!isPatient) await new Promise((resolve) => setTimeout(resolve, random.int(0, 400)))
    else await untilRun(service.url, id, (now) => isFinished(now) || until(), RUN_MS)
    const writtenAt = performance.now()
    // It may have finished by itself: then this is refused.
    const stopped = await call(service.url, 'POST', `/api/v1/runs/${id}/stop`, {})
    if (stopped.status === 200) run.writtenAt = writtenAt
    run.status = (await untilRun(service.url, id, isFinished, RUN_MS))['status']
  }
}

async function play(random: Random) {
  const tasks = await Promise.all(Array.from({ length: 6 }, () => insertTaskRow(database.db)))
  const writers = new Writers(database.db, { tasks, tags: TAGS, maxRuns: MAX_RUNS })
  await writers.start(random.fork(), 12)
  const own: OwnRun[] = []
  const readers = wishes(random.fork(), tasks, writers.runs).map(
    ({ over, wish, isFiltered }) =>
      new Reader({ url: service.url, over, wish, isFiltered, createdAt }, random.fork()),
  )
  const known = () => [...writers.runs, ...own]
  function createdAt(runId: string): number | null {
    return known().find(({ id }) => id === runId)?.createdAt ?? null
  }
  const end = performance.now() + DURATION_MS
  const isOver = () => performance.now() >= end
  const reading = readers.map((reader) => reader.run(isOver))
  const writing = Array.from({ length: WRITERS }, () => writers.write(random.fork(), isOver))
  const root = join(world.base, 'project')
  mkdirSync(root)
  makeGitProject(root, GREETER)
  const running = Array.from({ length: 3 }, (_, lane) =>
    ownRuns(random.fork(), { root, runs: own, isPatient: lane === 0 }, isOver),
  )
  await Promise.all([...reading, ...writing, ...running])
  return { readers, writers, own, known: known() }
}

test(`${READERS} readers that drop at random see every event once and in order (SEED=${SEED})`, {
  timeout: DURATION_MS + SETTLE_MS + 300_000,
}, async () => {
  const { readers, writers, own, known } = await play(randomOf(SEED))
  const logs = await readLogs(service.url, known)
  const deadline = performance.now() + SETTLE_MS
  await Promise.all(
    readers.map((reader) =>
      reader.stay(() => reader.ledger.isComplete(logs) || performance.now() > deadline),
    ),
  )

  const sum = (of: (reader: Reader) => number) => readers.reduce((total, reader) => total + of(reader), 0)
  const events = [...logs.values()].reduce((total, log) => total + log.events.length, 0)
  say(`SEED=${SEED} DURATION=${DURATION_MS / 1000}`)
  say(
    `${known.length} runs, ${events} events: ${writers.events} written by another replica, ${events - writers.events} in ${own.length} runs of the service (${own.filter(({ status }) => status !== 'RUN_STATUS_CANCELLED').length} to their own end)`,
  )
  say(
    `${READERS} readers, ${sum(({ connections }) => connections)} connections, ${sum(({ ledger }) => ledger.received)} events received`,
  )
  say(
    `ended by ${(['cut', 'cutInTheMiddle', 'close', 'lost'] as const).map((how) => `${how} ${sum(({ ends }) => ends[how])}`).join(', ')}; slow ${sum(({ ends }) => ends.slow)} times`,
  )
  const faults = readers.flatMap((reader) => [
    ...reader.ledger.violations(logs).map((fault) => `${reader.name}: ${fault}`),
    ...reader.refusals.map((what) => `${reader.name}: refused: ${what}`),
  ])
  say(faults.length === 0 ? 'verdict: every reader saw its log' : `verdict: ${faults.length} violations`)
  for (const fault of faults.slice(0, 50)) say(fault)

  expect(faults).toEqual([])
  // Else it has shown nothing.
  expect(own.length).toBeGreaterThan(0)
  expect(events).toBeGreaterThan(500)
  expect(sum(({ connections }) => connections)).toBeGreaterThan(3 * READERS)
})
