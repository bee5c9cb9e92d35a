/** What nobody caught is a bug: it is written down, and the process ends; the next start recovers. */
import process from 'node:process'
import { messageOf } from '../../internal/errors.ts'
import type { Logger } from '../../internal/log.ts'
import { EXIT } from './exit.ts'

export function crashLoudly(log: () => Logger): void {
  process.on('uncaughtException', (error, origin) => {
    log().fatal({ origin, error: messageOf(error), stack: error.stack ?? null }, 'bug: uncaught error')
    process.exit(EXIT.bug)
  })
}
