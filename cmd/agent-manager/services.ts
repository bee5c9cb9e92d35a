/** Wires the product together: stores, use cases, engine, HTTP. Nothing here decides anything. */
import type { FastifyInstance } from 'fastify'
import { createProjectRepo } from '../../adapters/project-git/index.ts'
import { buildServer } from '../../api/server.ts'
import { ReviewService } from '../../internal/approval/approval-service.ts'
import { asAppError } from '../../internal/db/pg-error.ts'
import { agentPath } from '../../internal/engine/agent-environment.ts'
import { Engine } from '../../internal/engine/engine.ts'
import { SandboxSweep } from '../../internal/engine/sandbox-sweep.ts'
import { messageOf } from '../../internal/errors.ts'
import { EventFeed } from '../../internal/event/event-feed.ts'
import { readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { secretsOf } from '../../internal/event/service-secrets.ts'
import { reportHealth } from '../../internal/health.ts'
import { Idempotency } from '../../internal/idempotency/idempotency-service.ts'
import { isAgentPeer } from '../../internal/process/peer.ts'
import { lastSeqs } from '../../internal/run/run-store.ts'
import type { Parts } from './parts.ts'
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
  const useCases = createUseCases({ ...parts, engine, registry, redactor, feed })
  const idempotency = new Idempotency({ db, log, replicaId: replica.id })
  const server = await buildServer({
    log,
    version: parts.version,
    limits: { bodyBytes: levers.SERVER_MAX_REQUEST_BODY_BYTES },
    ...useCases,
    idempotency,
    review,
    isAgent: (peer) => isAgentPeer(peer, parts.installationId),
    runners: createRunnerUseCases(parts, registry),
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
  return { server, engine, feed, sweep: new SandboxSweep({ db, log, sandbox }), idempotency }
}
