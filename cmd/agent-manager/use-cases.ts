/** What the HTTP boundary may ask of the product, but for review and health. */
import type { ApiDeps } from '../../api/deps.ts'
import { ArtifactService } from '../../internal/artifact/artifact-service.ts'
import { diffArtifacts } from '../../internal/artifact/diff-artifacts.ts'
import { transcriptArtifacts } from '../../internal/artifact/transcript-artifacts.ts'
import type { Engine } from '../../internal/engine/engine.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { EventFeed } from '../../internal/event/event-feed.ts'
import { EventService } from '../../internal/event/event-service.ts'
import type { Redactor } from '../../internal/event/redactor.ts'
import { ExplainService } from '../../internal/explain/explain-service.ts'
import { InteractionService } from '../../internal/interaction/interaction-service.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import type { AdmissionDeps } from '../../internal/run/admission.ts'
import { Conversation } from '../../internal/run/conversation.ts'
import { RunEnding } from '../../internal/run/run-ending.ts'
import { RunService } from '../../internal/run/run-service.ts'
import type { RunnerRegistry } from '../../internal/runner/registry.ts'
import { TaskCancel } from '../../internal/task/task-cancel.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import { TranscriptService } from '../../internal/transcript/transcript-service.ts'
import type { Parts } from './parts.ts'

interface Core extends Pick<Parts, 'config' | 'database' | 'environment' | 'sandbox' | 'launcher'> {
  readonly engine: Engine
  readonly registry: RunnerRegistry
  readonly redactor: Redactor
  readonly feed: EventFeed
  publish(events: readonly StoredEvent[]): void
}

type UseCases = Pick<
  ApiDeps,
  | 'profiles'
  | 'tasks'
  | 'taskCancel'
  | 'runs'
  | 'ending'
  | 'events'
  | 'interactions'
  | 'transcripts'
  | 'explain'
  | 'artifacts'
> & {
  readonly conversation: Conversation
}

export function createUseCases(core: Core): UseCases {
  const { engine, registry, redactor, feed, publish } = core
  const { levers } = core.config
  const { db } = core.database.database
  const projectRoots = levers.SAFETY_PROJECT_ROOTS
  const wake = () => engine.wake()
  const admission: AdmissionDeps = {
    dataDir: core.config.dataDir,
    registry,
    sandbox: core.sandbox.service,
    containment: core.launcher.containment,
    allowInPlace: levers.SAFETY_ALLOW_IN_PLACE_OVERRIDE,
    sandboxHidesGit: core.sandbox.hidesGit,
    environment: core.environment,
  }
  const profiles = new ProfileService({ db })
  const tasks = new TaskService({ db, projectRoots })
  const runs = new RunService({
    db,
    redactor,
    tasks,
    profiles,
    publish,
    projectRoots,
    levers: {
      maxTurns: levers.EXECUTION_DEFAULT_MAX_TURNS,
      timeoutMs: levers.EXECUTION_DEFAULT_TIMEOUT,
      requiresSandbox: levers.SAFETY_REQUIRE_SANDBOX,
      requiresApproval: levers.APPROVAL_REQUIRE_APPROVAL,
    },
    admission,
    wake,
    stopping: (runId) => engine.stopRun(runId),
  })
  return {
    profiles,
    tasks,
    taskCancel: new TaskCancel({ db, tasks, stopRun: (id, actor) => runs.stop(id, actor) }),
    runs,
    ending: new RunEnding({
      db,
      redactor,
      publish,
      stop: (id, actor) => runs.stop(id, actor),
      getByTag: (tag) => runs.getByTag(tag),
      forget: () => engine.forgetRun(),
    }),
    events: new EventService({ db, feed }),
    explain: new ExplainService({
      db,
      admission,
      projectRoots,
      engine,
      places: levers.CONCURRENCY_MAX_CONCURRENT_RUNS,
    }),
    artifacts: new ArtifactService({
      db,
      sources: [diffArtifacts({ db, redactor }), transcriptArtifacts({ db })],
    }),
    transcripts: new TranscriptService({ db }),
    interactions: new InteractionService({ db, redactor, publish, answered: (runId) => engine.news(runId) }),
    conversation: new Conversation({
      db,
      redactor,
      registry,
      publish,
      wake,
      steer: (runId) => engine.news(runId),
      interrupting: (runId) => engine.interruptRun(runId),
    }),
  }
}
