/** Structured logs on stderr (stdout carries the one start line). Constant lower-case phrases, data in fields. */
import { destination, type Logger, pino } from 'pino'

export type { Logger }

/** @param level pino level; default info */
export function createLogger(level = 'info'): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ fd: 2, sync: true }),
  )
}
