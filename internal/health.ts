/**
 * The true state of what the service stands on, within two seconds, whatever that does. Each neighbour has a deadline
 * of its own and is reported as late by name; callers who ask at once share one look.
 */
import type { DatabaseState } from './db/probe.ts'
import { messageOf } from './errors.ts'
import type { RunnerView } from './runner/registry.ts'
import type { SandboxService } from './sandbox/port.ts'

type State = 'healthy' | 'degraded' | 'unhealthy'

export interface Dependency {
  readonly status: State
  readonly message: string
  readonly latencyMs: number | null
}

export interface HealthReport {
  readonly status: State
  /** Whether new work can be taken on: database and engine. */
  readonly readiness: boolean
  readonly dependencies: Readonly<Record<string, Dependency>>
  readonly activeRuns: number
  readonly pendingRuns: number
}

/** `stopping`: told to end; hands back what it drives. `stalled`: a round of claiming has not gone through lately. */
export type ClaimState = 'claiming' | 'stalled' | 'stopping'

export interface HealthDeps {
  /** Over a connection of its own. Must settle soon after `deadlineMs`, or leave nothing behind that piles up. */
  askDatabase(deadlineMs: number): Promise<DatabaseState>
  readonly sandbox: Pick<SandboxService, 'health'>
  /** Each runner by itself: one whose program hangs does not hide the others. */
  lookAtRunners(): Readonly<Record<string, Promise<Pick<RunnerView, 'available' | 'message'>>>>
  readonly guardedByTriggersOnly: boolean
  claimState(): ClaimState
}

/** A neighbour that takes longer is reported so. With FRESH_MS below the two seconds that are promised. */
const PROBE_MS = 1400
/** A report is this good for whoever comes after: probes may be as many as they like, a neighbour sees a few. */
const FRESH_MS = 400

type Finding = Omit<Dependency, 'latencyMs'>

/** Never rejects. */
export function createHealth(deps: HealthDeps): { report(): Promise<HealthReport> } {
  let current: Promise<HealthReport> | null = null
  let freshUntil = Number.POSITIVE_INFINITY
  return {
    report: () => {
      if (current !== null && performance.now() < freshUntil) return current
      freshUntil = Number.POSITIVE_INFINITY
      current = look(deps).finally(() => {
        freshUntil = performance.now() + FRESH_MS
      })
      return current
    },
  }
}

async function look(deps: HealthDeps): Promise<HealthReport> {
  let counts = { activeRuns: 0, pendingRuns: 0 } // where they cannot be read, the database's own line says why
  const [database, sandbox, runners] = await Promise.all([
    measured(async () => {
      const state = await deps.askDatabase(PROBE_MS)
      counts = state
      return databaseFinding(state, deps.guardedByTriggersOnly)
    }),
    measured(async () => sandboxFinding(await deps.sandbox.health(PROBE_MS))),
    lookAtRunners(deps),
  ])
  const claimLoop: Dependency = { ...CLAIM_LOOP[deps.claimState()], latencyMs: null }
  const readiness = database.status !== 'unhealthy' && claimLoop.status === 'healthy'
  return {
    status: overall(readiness, database, sandbox),
    readiness,
    dependencies: { database, sandbox, claim_loop: claimLoop, ...runners },
    activeRuns: counts.activeRuns,
    pendingRuns: counts.pendingRuns,
  }
}

const CLAIM_LOOP = {
  claiming: { status: 'healthy', message: 'claims runs' },
  stalled: { status: 'unhealthy', message: 'has not claimed lately' },
  stopping: { status: 'unhealthy', message: 'the service is stopping and claims nothing more' },
} as const satisfies Record<ClaimState, Finding>

function overall(readiness: boolean, database: Dependency, sandbox: Dependency): State {
  if (!readiness) return 'unhealthy'
  return database.status === 'healthy' && sandbox.status === 'healthy' ? 'healthy' : 'degraded'
}

function databaseFinding(state: DatabaseState, guardedByTriggersOnly: boolean): Finding {
  if (state.isReadOnly)
    return { status: 'unhealthy', message: 'connected, but read-only: nothing can be written down' }
  const guard = guardedByTriggersOnly
    ? '; this role may change the log itself, so triggers alone guard it (DATABASE_MIGRATION_URL)'
    : ''
  return { status: 'healthy', message: `connected${guard}` }
}

const sandboxFinding = ({ ok, message }: { ok: boolean; message: string }): Finding => ({
  status: ok ? 'healthy' : 'unhealthy',
  message,
})

/** A runner that is missing or slow to look at costs its own runs only. */
async function lookAtRunners(deps: HealthDeps): Promise<Record<string, Dependency>> {
  const looks = Object.entries(deps.lookAtRunners()).map(async ([type, view]) => {
    const found = await measured(async () => {
      const { available, message } = await view
      return { status: available ? 'healthy' : 'degraded', message }
    })
    const status = found.status === 'unhealthy' ? 'degraded' : found.status
    return [`runner_${type}`, { ...found, status, latencyMs: null }] as const
  })
  return Object.fromEntries(await Promise.all(looks))
}

async function measured(check: () => Promise<Finding>): Promise<Dependency> {
  const startedAt = performance.now()
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${PROBE_MS} ms`)), PROBE_MS)
  try {
    const finding = await Promise.race([check(), late])
    return { ...finding, latencyMs: Math.round(performance.now() - startedAt) }
  } catch (error) {
    return { status: 'unhealthy', message: messageOf(error), latencyMs: null }
  } finally {
    clearTimeout(timer)
  }
}
