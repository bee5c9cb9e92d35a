/** Runs that another replica drives: it writes to the log, and the service under test is told nothing. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Tables } from '../../../internal/db/tables.ts'
import type { EventPayload } from '../../../internal/event/event.ts'
import { append, type RunPatch } from '../../../internal/event/event-store.ts'
import { createRedactor } from '../../../internal/event/redactor.ts'
import { toStorable } from '../../../internal/event/storable.ts'
import type { RunStatus } from '../../../internal/run/run.ts'
import { statusEvent } from '../../../internal/run/run-service.ts'
import { insertReplica, insertRunRow } from '../rows.ts'
import type { Random } from './random.ts'

export interface WrittenRun {
  readonly id: string
  readonly taskId: string
  readonly tag: string
  readonly createdAt: number
  writtenAt: number
  isFinished: boolean
  /** Somebody writes to it just now. */
  isBusy: boolean
}

const DRIVEN = { lease_expires_at: sql<Date>`now() + interval '1 day'` } as const
const FINISHED = { lease_owner: null, lease_expires_at: null, ended_at: sql<Date>`now()` } as const
const redactor = createRedactor()
const storable = (payload: EventPayload) => toStorable({ payload }, redactor)

export class Writers {
  readonly runs: WrittenRun[] = []
  events = 0
  readonly #db: Kysely<Tables>
  readonly #options: { tasks: readonly string[]; tags: readonly string[]; maxRuns: number }
  #replicaId = ''

  constructor(
    db: Kysely<Tables>,
    options: { tasks: readonly string[]; tags: readonly string[]; maxRuns: number },
  ) {
    this.#db = db
    this.#options = options
  }

  /** @param count runs to begin with */
  async start(random: Random, count: number): Promise<void> {
    this.#replicaId = await insertReplica(this.#db)
    for (let n = 0; n < count; n += 1) await this.#create(random)
  }

  /** One writer's work until `until` says that it is enough. Several may work side by side. */
  async write(random: Random, until: () => boolean): Promise<void> {
    while (!until()) {
      await this.#step(random)
      await new Promise((resolve) => setTimeout(resolve, random.int(0, 40))) // the pace of agents
    }
  }

  async #step(random: Random): Promise<void> {
    if (this.runs.length < this.#options.maxRuns && random.chance(0.06)) return this.#create(random)
    const run = random.pick(this.runs)
    if (run.isBusy) return
    run.isBusy = true
    const begins = performance.now()
    try {
      if (run.isFinished && !random.chance(0.2)) return
      if (run.isFinished) await this.#goOn(run)
      else if (random.chance(0.06)) await this.#finish(run)
      else await this.#append(run, random)
      run.writtenAt = begins
    } finally {
      run.isBusy = false
    }
  }

  async #create(random: Random): Promise<void> {
    const createdAt = performance.now()
    const taskId = random.pick(this.#options.tasks)
    const tag = `${random.pick(this.#options.tags)}-${random.int(0, 999)}`
    const id = await this.#db.transaction().execute(async (tx) => {
      const row = { task_id: taskId, tag, lease_owner: this.#replicaId, ...DRIVEN }
      const runId = await insertRunRow(tx, { ...row, status: 'running' })
      const events = [statusEvent(null, 'pending', null), statusEvent('pending', 'running', null)]
      await this.#write(
        tx,
        runId,
        'running',
        {},
        events.map(({ payload }) => payload),
      )
      return runId
    })
    this.runs.push({ id, taskId, tag, createdAt, writtenAt: createdAt, isFinished: false, isBusy: false })
  }

  async #append(run: WrittenRun, random: Random): Promise<void> {
    const size = random.chance(0.02) ? 100_000 : random.int(10, 2000)
    const payloads = Array.from({ length: random.int(1, 12) }, () => payloadOf(random, size))
    await this.#write(this.#db, run.id, 'running', {}, payloads)
  }

  async #finish(run: WrittenRun): Promise<void> {
    const { payload } = statusEvent('running', 'cancelled', null)
    await this.#write(this.#db, run.id, 'running', { ...FINISHED, status: 'cancelled' }, [payload])
    run.isFinished = true
  }

  /** Continued and claimed at once, so that the service under test never sees it wait. */
  async #goOn(run: WrittenRun): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const step = (from: RunStatus, to: RunStatus, patch: RunPatch) =>
        this.#write(tx, run.id, from, { ...patch, status: to }, [statusEvent(from, to, null).payload])
      await step('cancelled', 'pending', { ended_at: null })
      await step('pending', 'starting', { ...DRIVEN, lease_owner: this.#replicaId })
      await step('starting', 'running', {})
    })
    run.isFinished = false
  }

  async #write(
    db: Parameters<typeof append>[0],
    runId: string,
    from: RunStatus,
    patch: RunPatch,
    payloads: readonly EventPayload[],
  ): Promise<void> {
    const events = payloads.map(storable)
    const stored = await append(db, { runId, from: [from], fence: null, patch, events })
    if (!stored) throw new Error(`run ${runId} is not ${from}`)
    this.events += stored.length
  }
}

function payloadOf(random: Random, size: number): EventPayload {
  const text = String(random.int(0, 1_000_000_000)).padEnd(size, 'lorem ipsum ')
  switch (random.int(0, 3)) {
    case 0:
      return { log: { level: 'info', message: text } }
    case 1:
      return { message: { role: 'assistant', content: text } }
    case 2:
      return { tool_call: { tool_name: 'shell', input: { command: text }, tool_call_id: 't' } }
    default:
      return { progress: { phase: 'executing', percent_complete: random.int(0, 100), current_action: null } }
  }
}
