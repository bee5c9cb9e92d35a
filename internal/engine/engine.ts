/**
 * The engine of one replica: claims pending runs while there is room, drives them, and looks after what
 * others left. Nothing here is needed for correctness across a crash: all of it can be rebuilt from the
 * database at the next start.
 */
import { isTransient } from '../db/pg-error.ts'
import { messageOf } from '../errors.ts'
import { payloadOf, type StoredEvent } from '../event/event.ts'
import { toStorable } from '../event/storable.ts'
import type { ClaimState } from '../health.ts'
import { withLogFields } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { runsToGoOn, runsToSteer } from '../run/input-store.ts'
import { claimRun } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import { RunConfigSchema } from '../stored-json.ts'
import { RunAbort } from './abort.ts'
import { cleanUp, sweepRunFolders } from './cleanup.ts'
import type { DriverDeps } from './driver-deps.ts'
import { expireParked } from './expire-parked.ts'
import { keepUnread } from './keep-unread.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { endOrphans } from './orphans.ts'
import { reapExpired } from './reaper.ts'
import { expireDeadReplicas, type ReplicaIdentity } from './replica.ts'
import { RunDriver } from './run-driver.ts'
import { RunWriter } from './run-writer.ts'
import { TurnTrace } from './turn-trace.ts'

export interface EngineDeps extends Omit<DriverDeps, 'goOn'> {
  readonly replica: ReplicaIdentity
  readonly metrics: Metrics
  readonly leaseTtlMs: number
  readonly maxConcurrentRuns: number
  /** Finishes approvals whose owner died. */
  recoverApprovals(): Promise<void>
  /** Goes on with a run whose turn is over and that has more to be told; nothing to do when it cannot yet. */
  goOn(runId: string): Promise<void>
}

const POLL_MS = 1000
const UNREAD_POLL_MS = 10_000
const FOLDERS_POLL_MS = 60 * 60_000
/** A run that is cut by a drain needs this long at most to let go of its agent and be handed back. */
const DRAIN_MS = 20_000

interface Driven {
  readonly abort: RunAbort
  readonly driver: RunDriver
  readonly writer: RunWriter
  readonly done: Promise<void>
}

export class Engine {
  readonly #deps: EngineDeps
  readonly #leases: LeaseKeeper
  readonly #driven = new Map<string, Driven>()
  #timer: NodeJS.Timeout | null = null
  #claiming: Promise<void> | null = null
  #again = false
  #tending: Promise<void> | null = null
  #stopping = false
  #unreadAt = Number.NEGATIVE_INFINITY
  #foldersAt = Number.NEGATIVE_INFINITY
  /** Monotonic time of the last round of claiming that went through: health looks at it. */
  #claimedAt = 0

  constructor(deps: EngineDeps) {
    this.#deps = deps
    this.#leases = new LeaseKeeper({ ...deps, replicaId: deps.replica.id, ttlMs: deps.leaseTtlMs })
  }

  async start(): Promise<void> {
    await this.#buryReplicas()
    this.#leases.start()
    this.#timer = setInterval(() => this.#tick(), POLL_MS)
    this.#tick()
  }

  /** Hands back what it drives and returns when nothing of it is left. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
    await this.#claiming
    for (const { abort } of this.#driven.values()) abort.abort('drain')
    const all = Promise.all([...this.#driven.values()].map(({ done }) => done))
    await Promise.race([all, new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())])
    this.#leases.stop()
    await this.#tending
  }

  /** There may be something to claim. */
  wake(): void {
    this.#again = true
    // Whoever woke us asked for something; what is claimed now is not done on its behalf.
    this.#claiming ??= withLogFields({}, () => this.#claimAll()).finally(() => {
      this.#claiming = null
    })
  }

  /** A stop was written down for a run; no need to wait for the heartbeat. */
  stopRun(runId: string): void {
    this.#driven.get(runId)?.abort.abort('stop')
  }

  /** A run was deleted: what it left is removed now instead of at the next round of the sweep. */
  forgetRun(): void {
    if (this.#stopping) return
    this.#foldersAt = Number.NEGATIVE_INFINITY
    this.#tick()
  }

  /** The same for the end of a turn. */
  interruptRun(runId: string): void {
    this.#driven.get(runId)?.abort.abort('interrupt')
  }

  /** An interaction was answered, or an input written: for a run that is driven here, or that waits to be claimed. */
  news(runId: string): void {
    const driven = this.#driven.get(runId)
    if (!driven) {
      this.wake()
      return
    }
    void driven.driver.look()
    void driven.driver.steer()
  }

  /** What this replica drives just now. */
  get load(): { readonly runs: number; readonly queuedEvents: number; readonly queuedBytes: number } {
    const queued = [...this.#driven.values()].map(({ writer }) => writer.queued)
    return {
      runs: this.#driven.size,
      queuedEvents: queued.reduce((sum, { events }) => sum + events, 0),
      queuedBytes: queued.reduce((sum, { bytes }) => sum + bytes, 0),
    }
  }

  get claimState(): ClaimState {
    if (this.#stopping) return 'stopping'
    return performance.now() - this.#claimedAt < 10 * POLL_MS ? 'claiming' : 'stalled'
  }

  #tick(): void {
    this.wake()
    this.#tending ??= this.#tend().finally(() => {
      this.#tending = null
    })
  }

  async #claimAll(): Promise<void> {
    while (this.#again && !this.#stopping) {
      this.#again = false
      try {
        while (
          this.#driven.size < this.#deps.maxConcurrentRuns &&
          !this.#stopping &&
          (await this.#claimOne())
        );
        this.#claimedAt = performance.now()
      } catch (error) {
        this.#report(error, 'claiming failed')
      }
    }
  }

  async #claimOne(): Promise<boolean> {
    const { db, replica, leaseTtlMs, redactor } = this.#deps
    const claimedAt = performance.now()
    const event = toStorable(statusEvent('pending', 'starting', null), redactor)
    const claim = await db
      .transaction()
      .execute((tx) => claimRun(tx, { replicaId: replica.id, ttlMs: leaseTtlMs, event }))
    if (!claim) return false
    this.#deps.publish(claim.events)
    const { row, waitedMs } = claim
    const runner = RunConfigSchema.parse(JSON.parse(row.config)).runnerType
    const trace = new TurnTrace(this.#deps, { row, runner, waitedMs })
    const abort = new RunAbort()
    this.#leases.hold(row.id, { attempt: row.attempt, abort }, claimedAt)
    const writer = new RunWriter({
      ...this.#deps,
      publish: (events) => {
        this.#deps.publish(events)
        trace.saw(events)
      },
      runId: row.id,
      attempt: row.attempt,
      isTrusted: () => this.#leases.isTrusted(),
      lost: () => abort.abort('lost'),
    })
    const deps = {
      ...this.#deps,
      launcher: trace.watching(this.#deps.launcher),
      goOn: (runId: string) => void this.#goOn(runId),
    }
    const driver = new RunDriver(deps, row, writer, abort)
    const fields = { run_id: row.id, attempt: row.attempt }
    const done = withLogFields(fields, () => driver.drive())
      .catch((error: unknown) =>
        this.#report(error, 'run abandoned; its lease will run out', { run_id: row.id }),
      )
      .finally(() => {
        this.#leases.release(row.id)
        this.#driven.delete(row.id)
        withLogFields(fields, () => trace.end(abort.reason === 'lost'))
        this.wake()
      })
    this.#driven.set(row.id, { abort, driver, writer, done })
    return true
  }

  /** What nobody else does: expired leases, open approvals of the dead, leftovers. */
  async #tend(): Promise<void> {
    try {
      await this.#tellNews()
      await this.#buryReplicas()
      const isDriven = (runId: string) => this.#driven.has(runId)
      const publish = (events: readonly StoredEvent[]) => this.#publishTakenOver(events)
      if (await reapExpired({ ...this.#deps, isDriven, publish })) this.wake()
      if (await expireParked(this.#deps)) this.wake()
      for (const runId of await runsToGoOn(this.#deps.db)) await this.#goOn(runId)
      await this.#deps.recoverApprovals()
      if (performance.now() - this.#unreadAt > UNREAD_POLL_MS) {
        this.#unreadAt = performance.now()
        await keepUnread(this.#deps)
      }
      if (performance.now() - this.#foldersAt > FOLDERS_POLL_MS) {
        this.#foldersAt = performance.now()
        await sweepRunFolders(this.#deps)
      }
      await cleanUp(this.#deps)
    } catch (error) {
      this.#report(error, 'tending failed')
    }
  }

  /** Whoever died on this machine need not be waited for. */
  async #buryReplicas(): Promise<void> {
    const { db, log, replica, installationId } = this.#deps
    const dead = await expireDeadReplicas(db, replica, (ids) => endOrphans(installationId, ids, log))
    if (dead.length > 0) log.warn({ replicas: dead.length }, 'found replicas that died here')
  }

  #publishTakenOver(events: readonly StoredEvent[]): void {
    this.#deps.publish(events)
    for (const event of events) {
      if (event.name !== 'status') continue
      this.#deps.metrics.count('takeovers_total', { status: payloadOf(event, 'status').new_status })
    }
  }

  /** What other replicas wrote down for the runs that are driven here. */
  async #tellNews(): Promise<void> {
    if (this.#driven.size === 0) return
    await Promise.all([...this.#driven.values()].map(({ driver }) => driver.look()))
    const ids = await runsToSteer(this.#deps.db, [...this.#driven.keys()])
    await Promise.all(ids.flatMap((id) => this.#driven.get(id)?.driver.steer() ?? []))
  }

  async #goOn(runId: string): Promise<void> {
    try {
      await this.#deps.goOn(runId)
    } catch (error) {
      this.#report(error, 'next turn put off', { run_id: runId })
    }
  }

  #report(error: unknown, what: string, fields: Record<string, unknown> = {}): void {
    const level = isTransient(error) ? 'warn' : 'error'
    this.#deps.log[level]({ ...fields, error: messageOf(error) }, what)
  }
}
