/** Health on the wire: plain for probes, in the original's proto form under /api/v1. */
import { z } from 'zod'
import type { HealthReport } from '../../internal/health.ts'
import { HEALTH_STATUS, HEALTH_STATUSES, protoEnumOut, protoName } from '../dialect/enums.ts'
import { timeOut } from './common.ts'

const SERVICE = 'agent-manager'

const dependencyOut = z.strictObject({
  status: z.enum(HEALTH_STATUSES),
  message: z.string(),
  latency_ms: z.number().nullable(),
})

const common = {
  service: z.string(),
  version: z.string(),
  readiness: z.boolean().meta({ description: 'Whether requests should be sent here.' }),
  timestamp: timeOut('Now.'),
  dependencies: z
    .record(z.string(), dependencyOut)
    .meta({ description: 'The database, the sandbox, each runner, …' }),
  metrics: z.strictObject({
    active_runs: z.int(),
    pending_runs: z.int(),
    queued_tasks: z.int().meta({ description: 'The same as pending_runs.', deprecated: true }),
  }),
}

export const healthAnswer = z
  .strictObject({ status: z.enum(HEALTH_STATUSES), ...common })
  .meta({ id: 'Health', description: 'The true state of the service.' })

export const protoHealthAnswer = z
  .strictObject({ status: protoEnumOut(HEALTH_STATUS, 'The worst that matters.'), ...common })
  .meta({ id: 'HealthStatus', description: 'The true state of the service.' })

export const livezAnswer = z.strictObject({ status: z.literal('alive') })

export const textAnswer = z.string().meta({ description: 'Text.' })

export const openApiAnswer = z
  .looseObject({ openapi: z.string() })
  .meta({ description: 'An OpenAPI document.' })

export function healthView(report: HealthReport, version: string, now: Date): z.output<typeof healthAnswer> {
  const dependencies = Object.entries(report.dependencies).map(
    ([name, { status, message, latencyMs }]) => [name, { status, message, latency_ms: latencyMs }] as const,
  )
  return {
    status: report.status,
    service: SERVICE,
    version,
    readiness: report.readiness,
    timestamp: now.toISOString(),
    dependencies: Object.fromEntries(dependencies),
    metrics: {
      active_runs: report.activeRuns,
      pending_runs: report.pendingRuns,
      queued_tasks: report.pendingRuns,
    },
  }
}

export const protoHealthView = (
  health: z.output<typeof healthAnswer>,
): z.output<typeof protoHealthAnswer> => ({ ...health, status: protoName(HEALTH_STATUS, health.status) })
