/**
 * Finds sandboxes of ours that no row leads to any more, by asking the sandbox service for all that bear our
 * name: a create whose answer was lost, a crash between the create and its row, a key that was given up for the
 * next one. What a run that is not finished may still need is never touched; in doubt a sandbox stays.
 */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { OwnedSandbox, SandboxService } from '../sandbox/port.ts'
import { knownRuns, type SandboxHolder } from './run-work-store.ts'

const SWEEP_MS = 10 * 60_000
const STOP_MS = 5_000
/** A sandbox of a run that the database does not know may be younger than a copy of it that we read. */
const STRANGER_MS = 15 * 60_000
const KEY = /^run:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):sandbox:(\d{1,9})(?:~\d{1,3})?$/

export interface SweepDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly sandbox: Pick<SandboxService, 'listOwned' | 'delete'>
}

/** Sweeps at its start and every ten minutes. */
export class SandboxSweep {
  readonly #deps: SweepDeps
  #timer: NodeJS.Timeout | null = null
  #running: Promise<void> | null = null
  #stopping = new AbortController()

  constructor(deps: SweepDeps) {
    this.#deps = deps
  }

  start(): void {
    if (this.#timer) return
    this.#stopping = new AbortController()
    this.#timer = setInterval(() => this.#round(), SWEEP_MS)
    this.#timer.unref()
    this.#round()
  }

  /** Returns when the sandbox it was busy with is done, or after a while: a cut deletion is repeated. Idempotent. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    this.#stopping.abort()
    if (!this.#running) return
    await Promise.race([this.#running, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())])
  }

  #round(): void {
    this.#running ??= sweepSandboxes(this.#deps, this.#stopping.signal)
      .catch((error: unknown) => {
        // The service may be away or unable to list: the next round is soon enough.
        this.#deps.log.warn({ error: messageOf(error) }, 'sweep of left sandboxes put off')
      })
      .finally(() => {
        this.#running = null
      })
  }
}

/** One round. @throws when the sandboxes or the runs cannot be read; nothing was deleted then */
export async function sweepSandboxes(deps: SweepDeps, signal?: AbortSignal): Promise<void> {
  const owned = await deps.sandbox.listOwned()
  const keyed = owned.flatMap((sandbox) => {
    const key = KEY.exec(sandbox.key ?? '')
    return key?.[1] === undefined ? [] : [{ sandbox, runId: key[1], generation: Number(key[2]) }]
  })
  if (keyed.length === 0) return
  const runs = await knownRuns(deps.db, [...new Set(keyed.map(({ runId }) => runId))])
  const now = Date.now()
  for (const { sandbox, runId, generation } of keyed) {
    if (signal?.aborted) return
    if (!isLeft(sandbox, generation, runs.get(runId) ?? null, now)) continue
    try {
      await deps.sandbox.delete(sandbox.id)
      deps.log.info({ run_id: runId, generation, sandbox_id: sandbox.id }, 'left sandbox removed')
    } catch (error) {
      deps.log.warn({ run_id: runId, sandbox_id: sandbox.id, error: messageOf(error) }, 'left sandbox stays')
      if (error instanceof AppError && error.code === 'SANDBOX_UNAVAILABLE') return // the others would fail alike
    }
  }
}

/**
 * Whether nobody will ever need it. Each reason is for good (a finished run that goes on takes a new generation
 * where it has no sandbox, a generation never comes back, a run is written before its sandbox), so nothing can
 * change between this and the deletion.
 */
function isLeft(sandbox: OwnedSandbox, generation: number, run: SandboxHolder | null, now: number): boolean {
  if (run === null) return now - sandbox.createdAt.getTime() > STRANGER_MS
  if (run.sandboxIds.includes(sandbox.id)) return false
  return run.isFinal || generation < run.generation
}
