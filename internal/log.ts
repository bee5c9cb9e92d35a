/** Structured logs on stderr (stdout carries the one start line). Constant lower-case phrases, data in fields. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type DestinationStream, destination, type Logger, pino } from 'pino'

export type { Logger }

export type LogFields = Readonly<Record<string, string | number>>

/**
 * On whose behalf something happens. Use cases, adapters and stores log through the one logger they were made with;
 * handing each call a logger of its own would put it into every signature down to the last retry.
 */
const context = new AsyncLocalStorage<LogFields>()

/** Every line that `work` and whatever it starts write bears these fields, and none of an outer call's. */
export const withLogFields = <T>(fields: LogFields, work: () => T): T => context.run(fields, work)

/** @param level pino level; default info @param out tests read along */
export function createLogger(
  level = 'info',
  out: DestinationStream = destination({ fd: 2, sync: true }),
): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, mixin: () => ({ ...context.getStore() }) },
    out,
  )
}
