/**
 * Small use cases for tests of the HTTP boundary: plain values that remember what they were asked. The boundary
 * knows nothing else of the product, so its tests need nothing else.
 */
import type { ApiDeps } from '../../api/deps.ts'
import { AppError } from '../../internal/errors.ts'
import { EVENT_TYPE_OF, type StoredEvent } from '../../internal/event/event.ts'
import type { InteractionAnswer } from '../../internal/interaction/interaction.ts'
import { createLogger } from '../../internal/log.ts'
import { NO_METRICS } from '../../internal/metrics.ts'
import type { PageRequest } from '../../internal/page.ts'
import type { NewProfile, Profile, ProfileFilter, ProfileUpdate } from '../../internal/profile/profile.ts'
import type { IfMatch } from '../../internal/revision.ts'
import type { RunFilter } from '../../internal/run/run.ts'
import type { NewRun } from '../../internal/run/run-service.ts'
import type { RunnerView } from '../../internal/runner/registry.ts'
import type { NewTask, Task, TaskFilter, TaskUpdate } from '../../internal/task/task.ts'
import { memoryKeys } from './api-idempotency.ts'
import {
  type AskedOfRuns,
  artifactUseCases,
  copyUseCases,
  endingUseCases,
  explainUseCases,
  missingRun,
  transcriptUseCases,
} from './api-run-deps.ts'
import {
  aFullRun,
  anEvent,
  anInput,
  anInteraction,
  aProfile,
  aQuestion,
  aRun,
  aTask,
  aVersion,
  INPUT_ID,
  NOW,
  PROFILE_ID,
  RUN_ID,
  TASK_ID,
  UNKNOWN_ID,
} from './api-values.ts'

const RUNNER: RunnerView = {
  type: 'opencode',
  available: true,
  message: 'ready',
  version: '1.17.0',
  versionSupported: true,
  containment: 'full',
  capabilities: {
    messages: true,
    toolEvents: true,
    costTracking: true,
    streaming: true,
    cancellation: true,
    thinking: true,
    interactions: false,
    questions: false,
    interrupt: true,
    continuation: true,
    fork: false,
    steer: false,
    queue: false,
    images: false,
    mcp: false,
    structuredOutput: false,
    maxTurns: false,
    toolAllow: false,
    toolDeny: false,
    networkDeny: true,
    resumeAnyDirectory: false,
    nativeSandbox: false,
    permissionModes: ['auto', 'bypass'],
  },
  models: [{ id: 'scripted/m', description: 'Scripted' }],
}

/** What the use cases were asked, by name. */
export interface Asked extends AskedOfRuns {
  profile?: NewProfile
  ensure?: { profileKey: string; defaults: NewProfile | null; updateExisting: boolean }
  profiles?: { filter: ProfileFilter; page: PageRequest }
  updateProfile?: { id: string; wanted: ProfileUpdate; ifMatch: IfMatch }
  archive?: { id: string; isArchived: boolean; ifMatch: IfMatch }
  versions?: { id: string; page: PageRequest }
  delete?: { id: string; ifMatch: IfMatch }
  task?: NewTask
  tasks?: { filter: TaskFilter; page: PageRequest }
  updateTask?: { id: string; wanted: TaskUpdate; ifMatch: IfMatch }
  cancelTask?: { id: string; actor: string; ifMatch: IfMatch }
  run?: NewRun
  list?: { filter: RunFilter; page: PageRequest }
  stop?: { id: string; actor: string }
  interrupt?: { id: string; actor: string }
  continue?: { id: string; message: string; delivery: string; actor?: string }
  inputs?: PageRequest
  edit?: { id: string; inputId: string; message: string }
  cancel?: { id: string; inputId: string }
  answer?: { runId: string; id: string; answer: InteractionAnswer; actor: string }
  /** Runs whose interactions somebody looked at. */
  looked?: string
  events?: { afterSequence: number; limit: number; types: readonly string[]; raw: boolean }
  check?: string
  approve?: unknown
  reject?: unknown
}

export const LIMITS: ApiDeps['limits'] = {
  bodyBytes: 10 * 1024 * 1024,
  allBodiesBytes: 64 * 1024 * 1024,
  requests: 1000,
  perAddress: 0,
  perPrincipal: 0,
  expensivePerPrincipal: 0,
}

/** Use cases over one run, one task and a short log; `change` replaces parts. */
export function apiDeps(change: Partial<ApiDeps> = {}): { deps: ApiDeps; asked: Asked } {
  const asked: Asked = {}
  const deps: ApiDeps = {
    log: createLogger('silent'),
    version: '0.1.0',
    metrics: NO_METRICS,
    expose: async () => ({ contentType: 'text/plain', text: '' }),
    limits: LIMITS,
    profiles: profileUseCases(asked),
    idempotency: memoryKeys(),
    tasks: taskUseCases(asked),
    taskCancel: taskCancelUseCase(asked),
    runs: runUseCases(asked),
    ending: endingUseCases(asked),
    transcripts: transcriptUseCases(asked),
    explain: explainUseCases,
    artifacts: artifactUseCases,
    conversation: conversationUseCases(asked),
    events: eventUseCases(asked),
    review: reviewUseCases(asked),
    interactions: interactionUseCases(asked),
    isAgent: () => false,
    asAppError: (error) => error,
    runners: {
      list: async () => [RUNNER],
      types: ['claude-code', 'opencode'],
      check: async (type) => {
        asked.check = type
        return { ok: false, message: 'it has no key', latencyMs: 12, details: { access: 'none' } }
      },
    },
    health: { report: async () => healthy },
    ...change,
  }
  return { deps, asked }
}

const healthy = {
  status: 'healthy',
  readiness: true,
  dependencies: { database: { status: 'healthy', message: 'ok', latencyMs: 1.5 } },
  activeRuns: 2,
  pendingRuns: 3,
} as const

const profileUseCases = (asked: Asked): ApiDeps['profiles'] => ({
  create: async (profile, id) => {
    asked.profile = profile
    return { ...aProfile(profile), ...(id && { id }) }
  },
  ensure: async (request) => {
    asked.ensure = request
    if (!request.defaults) throw new AppError('NOT_FOUND_PROFILE', 'There is no such profile.')
    return { profile: aProfile(request.defaults), created: true, updated: false }
  },
  get: async (id) => knownProfile(id),
  list: async (filter, page) => {
    asked.profiles = { filter, page }
    return { items: [aProfile(KEY_PROFILE)], total: 12, totalExact: true, next: 'token' }
  },
  update: async (id, wanted, ifMatch) => {
    asked.updateProfile = { id, wanted, ifMatch }
    const { settings } = wanted
    return { ...knownProfile(id), settings, version: 2, revision: 5 }
  },
  setArchived: async (id, isArchived, ifMatch) => {
    asked.archive = { id, isArchived, ifMatch }
    return { ...knownProfile(id), archivedAt: isArchived ? NOW : null, revision: 5 }
  },
  delete: async (id, ifMatch) => {
    asked.delete = { id, ifMatch }
  },
  versions: async (id, page) => {
    asked.versions = { id, page }
    return { items: [aVersion(knownProfile(id).id, 2)], total: 2, totalExact: true, next: 'v2' }
  },
  version: async (id, version) => aVersion(id, version),
})

const KEY_PROFILE = { profileKey: 'key', name: 'Key', createdBy: null, settings: {} }

function knownProfile(id: string): Profile {
  if (id !== PROFILE_ID) throw new AppError('NOT_FOUND_PROFILE', `There is no profile ${id}.`)
  return aProfile(KEY_PROFILE)
}

const taskUseCases = (asked: Asked): ApiDeps['tasks'] => ({
  create: async (task, id) => {
    asked.task = task
    return { ...aTask(task), ...(id && { id }) }
  },
  get: async (id) => knownTask(id),
  list: async (filter, page) => {
    asked.tasks = { filter, page }
    return { items: [knownTask(TASK_ID)], total: 20_000, totalExact: false, next: null }
  },
  update: async (id, wanted, ifMatch) => {
    asked.updateTask = { id, wanted, ifMatch }
    return { ...knownTask(id), ...wanted, revision: 8 }
  },
  delete: async (id, ifMatch) => {
    asked.delete = { id: knownTask(id).id, ifMatch }
  },
})

const taskCancelUseCase = (asked: Asked): ApiDeps['taskCancel'] => ({
  cancel: async (id, actor, ifMatch) => {
    asked.cancelTask = { id, actor, ifMatch }
    return { ...knownTask(id), status: 'running' }
  },
})

function knownTask(id: string): Task {
  if (id !== TASK_ID) throw new AppError('NOT_FOUND_TASK', `There is no task ${id}.`)
  return aTask({
    title: 't',
    description: '',
    scopePath: '',
    projectRoot: '/p',
    contextAttachments: [],
    createdBy: null,
  })
}

const runUseCases = (asked: Asked): ApiDeps['runs'] => ({
  ...copyUseCases(asked),
  create: async (request, id) => {
    asked.run = request
    return {
      run: aRun({ idempotencyKey: request.idempotencyKey, ...(id && { id }) }),
      replayed: request.idempotencyKey === 'again',
    }
  },
  get: async (id) => {
    if (id !== RUN_ID) throw missingRun(id)
    return aFullRun()
  },
  list: async (filter, page) => {
    asked.list = { filter, page }
    return { items: [aRun()], total: 1, totalExact: true, next: null }
  },
  stop: async (id, actor) => {
    asked.stop = { id, actor }
    if (id !== RUN_ID) throw missingRun(id)
    return aRun({ stopping: true })
  },
})

const conversationUseCases = (asked: Asked): ApiDeps['conversation'] => ({
  interrupt: async (id, actor) => {
    asked.interrupt = { id, actor }
    if (id !== RUN_ID) throw missingRun(id)
    return aRun({ status: 'running' })
  },
  continue: async (id, { message, delivery, actor }, inputId) => {
    asked.continue = { id, message, delivery, ...(actor !== null && { actor }) }
    if (id !== RUN_ID) throw missingRun(id)
    const input = anInput({ content: message, delivery, ...(inputId && { id: inputId }) })
    return { run: aRun({ turn: 2 }), input }
  },
  inputs: async (id, page) => {
    asked.inputs = page
    if (id !== RUN_ID) throw missingRun(id)
    const told = { turn: 1, source: 'prompt', status: 'delivered', deliveredAt: NOW, sequence: 2 } as const
    const items = [anInput({ id: UNKNOWN_ID, content: 'do it', ...told }), anInput()]
    return { items, total: 2, totalExact: true, next: null }
  },
  editInput: async (id, inputId, message) => {
    asked.edit = { id, inputId, message }
    if (inputId !== INPUT_ID) throw missingInput(inputId)
    return anInput({ content: message })
  },
  cancelInput: async (id, inputId) => {
    asked.cancel = { id, inputId }
    if (inputId !== INPUT_ID) throw missingInput(inputId)
    return anInput({ status: 'cancelled' })
  },
})

const missingInput = (id: string): AppError => new AppError('NOT_FOUND_INPUT', `There is no input ${id}.`)

const interactionUseCases = (asked: Asked): ApiDeps['interactions'] => ({
  list: async (runId) => {
    asked.looked = runId
    if (runId !== RUN_ID) throw missingRun(runId)
    return [anInteraction(), aQuestion()]
  },
  pending: async (runId) => {
    asked.looked = runId
    return [anInteraction(), aQuestion()]
  },
  pendingOf: async (runIds) => (runIds.includes(RUN_ID) ? [anInteraction()] : []),
  answer: async (runId, id, answer, actor) => {
    asked.answer = { runId, id, answer, actor }
    const found = [anInteraction(), aQuestion()].find((interaction) => interaction.id === id)
    if (!found) throw new AppError('NOT_FOUND_INTERACTION', `There is no interaction ${id}.`)
    return { ...found, status: 'answered', answer, answeredBy: actor }
  },
})

export const LOG: readonly StoredEvent[] = [
  anEvent(1, { status: { old_status: null, new_status: 'pending', reason: null } }),
  anEvent(2, { message: { role: 'assistant', content: 'a "quoted" word' } }),
  anEvent(3, {
    rate_limit: { limit_type: 'daily', reset_time: null, retry_after: 5, message: 'wait' },
  }),
]

const eventUseCases = (asked: Asked): ApiDeps['events'] => ({
  read: async (runId, query) => {
    asked.events = query
    if (runId !== RUN_ID) throw missingRun(runId)
    const wanted = LOG.filter(
      ({ seq, name }) =>
        seq > query.afterSequence &&
        (query.types.length === 0 || query.types.includes(name) || query.types.includes(EVENT_TYPE_OF[name])),
    )
    const events = wanted
      .slice(0, query.limit)
      .map((event) => ({ ...event, raw: query.raw ? 'printed' : null }))
    return { events, hasMore: wanted.length > query.limit }
  },
  subscribe: async ({ runId }) => {
    throw missingRun(runId)
  },
  subscribeMany: async () => ({ runs: [], covers: () => false, close: () => undefined }),
  taskStatus: async () => null,
  position: async (runId) => {
    if (runId !== RUN_ID) throw missingRun(runId)
    return { lastSequence: LOG.length, status: 'running' }
  },
})

const reviewUseCases = (asked: Asked): ApiDeps['review'] => ({
  diff: async (runId) => ({
    runId,
    digest: 'abc',
    content: 'diff --git a/x b/x\n',
    generatedAt: NOW,
    files: [
      {
        path: 'x',
        oldPath: null,
        changeType: 'modified',
        additions: 1,
        deletions: 0,
        isBinary: false,
        redacted: false,
        oldMode: '100644',
        newMode: '100644',
        hunks: [
          { id: 'h1', oldStart: 1, oldLines: 0, newStart: 1, newLines: 1, header: '@@', lines: ['+y'] },
        ],
      },
    ],
  }),
  approve: async (runId, request) => {
    asked.approve = { runId, ...request }
    return {
      result: { success: true, filesApplied: 1, hunksApplied: 1, commitHash: 'c0ffee', message: 'applied' },
      run: aRun({ status: 'complete', approvalState: 'approved' }),
    }
  },
  reject: async (runId, request) => {
    asked.reject = { runId, ...request }
    return aRun({ status: 'complete', approvalState: 'rejected' })
  },
})
