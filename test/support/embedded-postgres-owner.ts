/**
 * A program that owns an embedded database, to be killed by tests.
 * Arguments: data folder, then optionally the one way of running to use. Prints one line of JSON when the
 * database runs, or why it does not; ends the database on SIGTERM.
 */
import process from 'node:process'
import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { EmbeddedPostgresError } from '../../adapters/embedded-postgres/failure.ts'
import type { StrategyName } from '../../adapters/embedded-postgres/strategy.ts'
import { createLogger } from '../../internal/log.ts'

const [dataDir = '', way] = process.argv.slice(2)
try {
  const database = await startEmbeddedPostgres({
    dataDir,
    log: createLogger('silent'),
    ...(way === undefined ? {} : { strategies: [way as StrategyName] }),
  })
  const { connection, pid, adopted } = database
  process.stdout.write(`${JSON.stringify({ connection, pid, adopted })}\n`)
  const keepAlive = setInterval(() => undefined, 60_000)
  process.once('SIGTERM', () => {
    clearInterval(keepAlive)
    void database.stop()
  })
} catch (error) {
  if (!(error instanceof EmbeddedPostgresError)) throw error
  process.stdout.write(`${JSON.stringify({ reason: error.reason, message: error.message })}\n`)
}
