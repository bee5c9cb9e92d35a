/** Wires the product together: stores, use cases, engine, HTTP. Nothing here decides anything. */
import type { FastifyInstance } from 'fastify'
import { createProjectRepo } from '../../adapters/project-git/index.ts'
import { buildServer } from '../../api/server.ts'
import { ReviewService } from '../../internal/approval/approval-service.ts'
import type { Config } from '../../internal/config.ts'
import { asAppError } from '../../internal/db/pg-error.ts'
import { agentPath, type Environment } from '../../internal/engine/agent-environment.ts'
import { Engine } from '../../internal/engine/engine.ts'
import type { ReplicaIdentity } from '../../internal/engine/replica.ts'
import { SandboxSweep } from '../../internal/engine/sandbox-sweep.ts'
import { messageOf } from '../../internal/errors.ts'
import { EventFeed } from '../../internal/event/event-feed.ts'
import { EventService } from '../../internal/event/event-service.ts'
import { readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { secretsOf } from '../../internal/event/service-secrets.ts'
import { reportHealth } from '../../internal/health.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import type { Logger } from '../../internal/log.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { RunService } from '../../internal/run/run-service.ts'
import { lastSeqs } from '../../internal/run/run-store.ts'
import type { SandboxService } from '../../internal/sandbox/port.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import type { StartedDatabase } from './database.ts'
import { createRunners } from './runners.ts'

export interface Parts {
  readonly config: Config
  readonly environment: Environment
  readonly log: Logger
  readonly version: string
  readonly replica: ReplicaIdentity
  readonly installationId: string
  readonly database: StartedDatabase
  readonly sandbox: { readonly service: SandboxService; readonly hidesGit: boolean }
  readonly launcher: Launcher
}

export interface Services {
  readonly server: FastifyInstance
  readonly engine: Engine
  readonly feed: EventFeed
  readonly sweep: SandboxSweep
}

export async function buildServices(parts: Parts): Promise<Services> {
  const { config, environment, log, replica, launcher } = parts
  const { levers } = config
  const { db } = parts.database.database
  const sandbox = parts.sandbox.service
  const redactor = createRedactor()
  for (const secret of secretsOf(environment)) redactor.add(secret)
  const feed = new EventFeed({
    log,
    read: (runId, after, limit) => readEvents(db, { runId, after, limit, types: [] }),
    lastSeqs: (ids) => lastSeqs(db, ids),
  })
  const publish = feed.publish.bind(feed)
  const registry = createRunners(config, launcher, environment)
  const project = createProjectRepo({ path: agentPath(environment['PATH']), log })
  const review = new ReviewService({
    db,
    log,
    redactor,
    sandbox,
    project,
    publish,
    replicaId: replica.id,
    wake: () => engine.wake(),
  })
  const engine = new Engine({
    db,
    log,
    redactor,
    registry,
    launcher,
    sandbox,
    project,
    publish,
    replica,
    replicaId: replica.id,
    installationId: parts.installationId,
    dataDir: config.dataDir,
    service: environment,
    projectRoots: levers.SAFETY_PROJECT_ROOTS,
    leaseTtlMs: levers.EXECUTION_LEASE_TTL,
    maxConcurrentRuns: levers.CONCURRENCY_MAX_CONCURRENT_RUNS,
    publishDelta: feed.publishDelta.bind(feed),
    recoverApprovals: () => review.recover(),
    landUnreviewed: (runId) => {
      review.landUnreviewed(runId).catch((error: unknown) => {
        log.warn({ run_id: runId, error: messageOf(error) }, 'landing put off; recovery takes it up')
      })
    },
  })
  const profiles = new ProfileService({ db })
  const tasks = new TaskService({ db, projectRoots: levers.SAFETY_PROJECT_ROOTS })
  const runs = new RunService({
    db,
    redactor,
    tasks,
    profiles,
    publish,
    projectRoots: levers.SAFETY_PROJECT_ROOTS,
    levers: {
      maxTurns: levers.EXECUTION_DEFAULT_MAX_TURNS,
      timeoutMs: levers.EXECUTION_DEFAULT_TIMEOUT,
      requiresSandbox: levers.SAFETY_REQUIRE_SANDBOX,
      requiresApproval: levers.APPROVAL_REQUIRE_APPROVAL,
    },
    admission: {
      registry,
      sandbox,
      containment: launcher.containment,
      allowInPlace: levers.SAFETY_ALLOW_IN_PLACE_OVERRIDE,
      sandboxHidesGit: parts.sandbox.hidesGit,
    },
    wake: () => engine.wake(),
    stopping: (runId) => engine.stopRun(runId),
  })
  const server = await buildServer({
    log,
    version: parts.version,
    limits: { bodyBytes: levers.SERVER_MAX_REQUEST_BODY_BYTES },
    profiles,
    tasks,
    runs,
    review,
    events: new EventService({ db, feed }),
    runners: registry,
    asAppError,
    health: {
      report: () =>
        reportHealth({
          db,
          sandbox,
          registry,
          guardedByTriggersOnly: parts.database.guardedByTriggersOnly,
          isClaiming: () => engine.isClaiming,
        }),
    },
  })
  return { server, engine, feed, sweep: new SandboxSweep({ db, log, sandbox }) }
}
