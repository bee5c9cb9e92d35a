/** Wires the product together: stores, use cases, engine, HTTP. Nothing here decides anything. */
import type { FastifyInstance } from 'fastify'
import { createProjectRepo } from '../../adapters/project-git/index.ts'
import { buildServer } from '../../api/server.ts'
import { ReviewService } from '../../internal/approval/approval-service.ts'
import { asAppError } from '../../internal/db/pg-error.ts'
import { probeDatabase } from '../../internal/db/probe.ts'
import { agentPath } from '../../internal/engine/agent-environment.ts'
import { Engine } from '../../internal/engine/engine.ts'
import { SandboxSweep } from '../../internal/engine/sandbox-sweep.ts'
import { messageOf } from '../../internal/errors.ts'
import { countCommitted } from '../../internal/event/committed-meter.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { EventFeed } from '../../internal/event/event-feed.ts'
import { feedOf } from '../../internal/event/feed-of.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { secretsOf } from '../../internal/event/service-secrets.ts'
import { createHealth } from '../../internal/health.ts'
import { Idempotency } from '../../internal/idempotency/idempotency-service.ts'
import { measuredLauncher } from '../../internal/launcher/measured.ts'
import { isAgentPeer } from '../../internal/process/peer.ts'
import { measuredSandbox } from '../../internal/sandbox/measured.ts'
import { createMetrics } from './metrics.ts'
import type { Parts } from './parts.ts'
import { requestLimits } from './request-limits.ts'
import { createRunners, createRunnerUseCases } from './runners.ts'
import { createUseCases } from './use-cases.ts'

export interface Services {
  readonly server: FastifyInstance
  readonly engine: Engine
  readonly feed: EventFeed
  readonly sweep: SandboxSweep
  readonly idempotency: Idempotency
}

export async function buildServices(parts: Parts): Promise<Services> {
  const { config, environment, log, replica } = parts
  const { levers } = config
  const { db } = parts.database.database
  const metrics = createMetrics(parts.database.database, {
    engine: () => engine,
    feed: () => feed,
    maxConcurrentRuns: levers.CONCURRENCY_MAX_CONCURRENT_RUNS,
  })
  const sandbox = measuredSandbox(parts.sandbox.service, metrics)
  const redactor = createRedactor()
  for (const secret of secretsOf(environment)) redactor.add(secret)
  const feed = feedOf(db, log)
  const publish = (events: readonly StoredEvent[]) => {
    feed.publish(events)
    countCommitted(metrics, events)
  }
  const launcher = measuredLauncher(parts.launcher, metrics)
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
    metrics,
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
    parkAfterMs: levers.EXECUTION_PARK_AFTER,
    isWatched: (runId) => feed.isWatched(runId),
    publishDelta: feed.publishDelta.bind(feed),
    goOn: (runId) => useCases.conversation.goOn(runId),
    recoverApprovals: () => review.recover(),
    landUnreviewed: (runId) => {
      review.landUnreviewed(runId).catch((error: unknown) => {
        log.warn({ run_id: runId, error: messageOf(error) }, 'landing put off; recovery takes it up')
      })
    },
  })
  const useCases = createUseCases({
    ...parts,
    sandbox: { ...parts.sandbox, service: sandbox },
    engine,
    registry,
    redactor,
    feed,
    publish,
  })
  const idempotency = new Idempotency({ db, log, replicaId: replica.id })
  const server = await buildServer({
    log,
    version: parts.version,
    metrics,
    expose: () => metrics.expose(),
    limits: requestLimits(levers),
    ...useCases,
    idempotency,
    review,
    isAgent: (peer) => isAgentPeer(peer, parts.installationId),
    runners: createRunnerUseCases(parts, registry),
    asAppError,
    health: createHealth({
      askDatabase: (deadlineMs) => probeDatabase(parts.database.connection, deadlineMs),
      sandbox,
      lookAtRunners: () => registry.views(),
      guardedByTriggersOnly: parts.database.guardedByTriggersOnly,
      claimState: () => engine.claimState,
    }),
  })
  return { server, engine, feed, sweep: new SandboxSweep({ db, log, sandbox }), idempotency }
}
