/** The true state of what the service stands on. */
import { type Kysely, sql } from 'kysely'
import type { Tables } from './db/tables.ts'
import { messageOf } from './errors.ts'
import { countByStatus } from './run/run-store.ts'
import type { RunnerRegistry } from './runner/registry.ts'
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

export interface HealthDeps {
  readonly db: Kysely<Tables>
  readonly sandbox: SandboxService
  readonly registry: RunnerRegistry
  readonly guardedByTriggersOnly: boolean
  isClaiming(): boolean
}

/** A probe that takes longer is an answer too. */
const PROBE_MS = 1500

export async function reportHealth(deps: HealthDeps): Promise<HealthReport> {
  const [database, sandbox, runners, counts] = await Promise.all([
    measured(() => checkDatabase(deps)),
    measured(() => checkSandbox(deps.sandbox)),
    bounded(checkRunners(deps.registry), {}),
    bounded(countByStatus(deps.db), { active: 0, pending: 0 }), // the database's own line says why
  ])
  const claimLoop: Dependency = deps.isClaiming()
    ? { status: 'healthy', message: 'claims runs', latencyMs: null }
    : { status: 'unhealthy', message: 'has not claimed lately', latencyMs: null }
  const dependencies = { database, sandbox, claim_loop: claimLoop, ...runners }
  const readiness = database.status !== 'unhealthy' && claimLoop.status === 'healthy'
  return {
    status: overall(readiness, Object.values(dependencies)),
    readiness,
    dependencies,
    activeRuns: counts.active,
    pendingRuns: counts.pending,
  }
}

function overall(readiness: boolean, dependencies: readonly Dependency[]): State {
  if (!readiness) return 'unhealthy'
  const [database, sandbox] = dependencies
  return database?.status === 'healthy' && sandbox?.status === 'healthy' ? 'healthy' : 'degraded'
}

async function checkDatabase(deps: HealthDeps): Promise<Omit<Dependency, 'latencyMs'>> {
  await sql`SELECT 1`.execute(deps.db)
  return deps.guardedByTriggersOnly
    ? {
        status: 'healthy',
        message:
          'connected; one role owns and uses the tables, so triggers alone guard the log (DATABASE_MIGRATION_URL)',
      }
    : { status: 'healthy', message: 'connected' }
}

async function checkSandbox(service: SandboxService): Promise<Omit<Dependency, 'latencyMs'>> {
  const { ok, message } = await service.health()
  return { status: ok ? 'healthy' : 'unhealthy', message }
}

async function checkRunners(registry: RunnerRegistry): Promise<Record<string, Dependency>> {
  const views = await registry.list()
  return Object.fromEntries(
    views.map((view) => [
      `runner_${view.type}`,
      { status: view.available ? 'healthy' : 'degraded', message: view.message, latencyMs: null },
    ]),
  )
}

/** The answer, or the fallback when there is none in time. */
async function bounded<T>(answer: Promise<T>, fallback: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(fallback), PROBE_MS)
  })
  try {
    return await Promise.race([answer, late])
  } catch {
    return fallback // what stands behind it has a line of its own in the report
  } finally {
    clearTimeout(timer)
  }
}

async function measured(check: () => Promise<Omit<Dependency, 'latencyMs'>>): Promise<Dependency> {
  const startedAt = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PROBE_MS} ms`)), PROBE_MS)
  })
  try {
    const result = await Promise.race([check(), late])
    return { ...result, latencyMs: Math.round(performance.now() - startedAt) }
  } catch (error) {
    return { status: 'unhealthy', message: messageOf(error), latencyMs: null }
  } finally {
    clearTimeout(timer)
  }
}
