/**
 * The service: reads its configuration, starts what it stands on, serves until it is told to stop, drains.
 * One JSON line on stdout when it listens; logs on stderr. Exit codes: exit.ts.
 */
import process from 'node:process'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { type Config, ConfigError, readConfig } from '../../internal/config.ts'
import { identifyReplica, registerReplica, retireReplica } from '../../internal/engine/replica.ts'
import { messageOf } from '../../internal/errors.ts'
import { createLogger, type Logger } from '../../internal/log.ts'
import { watchParent } from '../../internal/parent-watch.ts'
import { withDeadline } from '../../internal/process/deadline.ts'
import { crashLoudly } from './crash.ts'
import { openDataDir } from './data-dir.ts'
import { startDatabase } from './database.ts'
import { EXIT, StartError } from './exit.ts'
import { packageVersion } from './package-version.ts'
import { requireGit } from './prerequisites.ts'
import { startSandbox } from './sandbox.ts'
import { buildServices } from './services.ts'

type Undo = () => Promise<void>

/** Starts in order and remembers how to undo each step, last first. */
async function start(config: Config, log: Logger, undo: Undo[]): Promise<void> {
  const environment = process.env
  const path = environment['PATH'] ?? ''
  await requireGit(path)
  const installationId = openDataDir(config.dataDir)
  const database = await startDatabase(config, log, path)
  undo.push(() => database.stop())
  const sandbox = await startSandbox(config, log, environment, `${installationId}:${database.identity}`)
  undo.push(() => sandbox.stop())
  const launcher = await detectLauncher({ log, path })
  const replica = await identifyReplica(process.pid)
  await registerReplica(database.database.db, replica)
  undo.push(() => retireReplica(database.database.db, replica.id))
  const version = packageVersion()
  const services = await buildServices({
    config,
    environment,
    log,
    version,
    replica,
    installationId,
    database,
    sandbox,
    launcher,
  })
  services.feed.start()
  undo.push(async () => services.feed.stop())
  services.idempotency.start()
  undo.push(() => services.idempotency.stop())
  const url = await listen(services.server, config)
  undo.push(() => services.server.close())
  services.sweep.start()
  undo.push(() => services.sweep.stop())
  await services.engine.start()
  undo.push(() => services.engine.stop())
  const line = { event: 'listening', pid: process.pid, url, database: database.kind, sandbox: sandbox.kind }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  log.info({ ...line, replica: replica.id, containment: launcher.containment, version }, 'listening')
}

async function listen(
  server: { listen(options: { host: string; port: number }): Promise<string> },
  config: Config,
): Promise<string> {
  try {
    return await server.listen({ host: config.host, port: config.port })
  } catch (error) {
    throw new StartError(
      EXIT.unavailable,
      `HOST ${config.host}, PORT ${config.port} cannot be listened on: ${messageOf(error)}`,
    )
  }
}

/** The longest that any step gives itself is less. */
const DRAIN_STEP_MS = 45_000

/** Undoes what was started, last first; a step that fails or hangs does not keep the others from being undone. */
async function drain(undo: Undo[], log: Logger): Promise<number> {
  let code: number = EXIT.ok
  for (let step = undo.pop(); step; step = undo.pop()) {
    try {
      await withDeadline(step(), DRAIN_STEP_MS, 'a step of the drain')
    } catch (error) {
      log.error({ error: messageOf(error) }, 'drain step failed')
      code = EXIT.bug
    }
  }
  return code
}

async function main(): Promise<void> {
  const undo: Undo[] = []
  let log = createLogger()
  let draining = false
  const stop = (why: string) => {
    if (draining) process.exit(EXIT.bug) // a second signal forces
    draining = true
    log.info({ why }, 'draining')
    void drainAfterStart()
  }
  const drainAfterStart = async () => {
    await started.catch(() => undefined) // whoever waits for the start reports why it failed
    process.exit(await drain(undo, log))
  }
  const started = Promise.resolve().then(async () => {
    const config = readConfig(process.env)
    log = createLogger(config.levers.SERVER_LOG_LEVEL)
    await start(config, log, undo)
  })
  crashLoudly(() => log)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
  if (process.env['npm_lifecycle_event']) watchParent(() => stop('parent gone'))
  try {
    await started
  } catch (error) {
    await drain(undo, log)
    process.exit(report(error, log))
  }
}

/** Says in words why it does not start. */
function report(error: unknown, log: Logger): number {
  if (error instanceof ConfigError) {
    for (const fault of error.faults) process.stderr.write(`agent-manager: ${fault}\n`)
    return EXIT.config
  }
  if (error instanceof StartError) {
    process.stderr.write(`agent-manager: ${error.message}\n`)
    return error.code
  }
  log.fatal({ error: messageOf(error), stack: error instanceof Error ? error.stack : null }, 'start failed')
  return EXIT.bug
}

await main()
