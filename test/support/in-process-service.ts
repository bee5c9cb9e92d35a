/** The whole service in this process, over a database of the tests: real parts, real sockets. */
import { randomUUID } from 'node:crypto'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { startSandbox } from '../../cmd/agent-manager/sandbox.ts'
import { buildServices } from '../../cmd/agent-manager/services.ts'
import { readConfig } from '../../internal/config.ts'
import { identifyReplica, registerReplica } from '../../internal/engine/replica.ts'
import { createLogger, type Logger } from '../../internal/log.ts'
import { createTestDatabase } from './database.ts'

export interface InProcessService {
  readonly url: string
  readonly log: Logger
  /** Claims runs and drives them; else they stay pending. */
  startEngine(): Promise<void>
  stopEngine(): Promise<void>
  stop(): Promise<void>
}

/** @param env the environment of the service, as `makeWorld` gives it */
export async function startInProcess(
  env: Record<string, string>,
  log = createLogger('silent'),
): Promise<InProcessService> {
  const config = readConfig(env)
  const database = await createTestDatabase()
  const identity = randomUUID()
  const sandbox = await startSandbox(config, log, env, identity)
  const replica = await identifyReplica(process.pid)
  await registerReplica(database.db, replica)
  const { server, engine, feed } = await buildServices({
    config,
    environment: env,
    log,
    version: '0.0.0',
    replica,
    installationId: identity,
    database: {
      kind: 'external',
      database,
      connection: database.connection,
      identity,
      guardedByTriggersOnly: false,
      stop: async () => {},
    },
    sandbox,
    launcher: await detectLauncher({ log, path: env['PATH'] ?? '' }),
  })
  feed.start()
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    log,
    startEngine: () => engine.start(),
    stopEngine: () => engine.stop(),
    stop: async () => {
      await server.close()
      feed.stop()
      await engine.stop()
      await sandbox.stop()
      await database.close()
    },
  }
}
