/**
 * Small use cases for tests of the HTTP boundary: plain values that remember what they were asked. The boundary
 * knows nothing else of the product, so its tests need nothing else.
 */
import type { ApiDeps } from '../../api/deps.ts'
import { AppError } from '../../internal/errors.ts'
import {
  EVENT_TYPE_OF,
  type EventPayload,
  payloadName,
  type StoredEvent,
} from '../../internal/event/event.ts'
import { createLogger } from '../../internal/log.ts'
import type { PageRequest } from '../../internal/page.ts'
import type { NewProfile, Profile } from '../../internal/profile/profile.ts'
import type { Run, RunFilter } from '../../internal/run/run.ts'
import type { NewRun } from '../../internal/run/run-service.ts'
import type { RunnerView } from '../../internal/runner/registry.ts'
import type { NewTask, Task } from '../../internal/task/task.ts'

export const RUN_ID = '01930000-0000-7000-8000-000000000001'
export const TASK_ID = '01930000-0000-7000-8000-000000000002'
export const PROFILE_ID = '01930000-0000-7000-8000-000000000003'
export const UNKNOWN_ID = '01930000-0000-7000-8000-00000000ffff'
const NOW = new Date('2026-11-21T10:00:00.000Z')

export const aRun = (change: Partial<Run> = {}): Run => ({
  id: RUN_ID,
  taskId: TASK_ID,
  profileId: PROFILE_ID,
  profileVersion: 3,
  tag: 'ecosystem-1',
  mode: 'sandboxed',
  status: 'pending',
  phase: 'queued',
  progressPercent: 0,
  turn: 1,
  attempt: 0,
  stopping: false,
  waitingOn: null,
  config: {
    runnerType: 'claude-code',
    model: null,
    maxTurns: 100,
    timeoutMs: 1_800_000,
    idleTimeoutMs: 600_000,
    permissionMode: 'auto',
    requiresSandbox: true,
    requiresApproval: true,
    containment: 'preferred',
    network: 'allow',
    home: 'isolated',
    env: ['ANTHROPIC_API_KEY'],
  },
  configSources: {
    runnerType: 'inline',
    model: 'default',
    maxTurns: 'default',
    timeoutMs: 'inline',
    idleTimeoutMs: 'default',
    permissionMode: 'default',
    requiresSandbox: 'lever',
    requiresApproval: 'profile',
    containment: 'default',
    network: 'default',
    home: 'default',
    env: 'profile',
  },
  sandboxId: null,
  sandboxGeneration: 0,
  sessionId: null,
  resumeMode: null,
  runnerVersion: null,
  contained: null,
  approvalState: 'none',
  approvedBy: null,
  approvedAt: null,
  failure: null,
  summary: null,
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0, totalCostUsd: null },
  costSource: 'unknown',
  diff: null,
  idempotencyKey: null,
  lastSeq: 0,
  createdAt: NOW,
  updatedAt: NOW,
  startedAt: null,
  endedAt: null,
  lastHeartbeat: null,
  ...change,
})

/** A run with every member set, for the shape of answers. */
export const aFullRun = (): Run =>
  aRun({
    status: 'needs_review',
    phase: 'awaiting_review',
    progressPercent: 90,
    waitingOn: { kind: 'capacity', detail: 'all slots are taken', since: NOW, estimate: '2 min' },
    failure: {
      code: 'rate_limited',
      message: 'rate limit reached',
      recovery: 'wait',
      retryable: true,
      exitCode: 1,
      signal: null,
      stderrTail: 'oh',
    },
    summary: { description: 'done', tokensUsed: 12, turnsUsed: 3, costEstimate: 0.5 },
    diff: { digest: 'abc', files: 2, additions: 3, deletions: 1 },
    approvalState: 'pending',
    approvedBy: 'ann',
    approvedAt: NOW,
    sandboxId: 's1',
    sessionId: 'n1',
    resumeMode: 'native',
    runnerVersion: '2.1.0',
    contained: 'full',
    startedAt: NOW,
    endedAt: NOW,
    lastHeartbeat: NOW,
  })

export const aProfile = (wanted: NewProfile): Profile => ({
  id: PROFILE_ID,
  profileKey: wanted.profileKey,
  name: wanted.name,
  version: 1,
  settings: wanted.settings,
  createdBy: wanted.createdBy,
  createdAt: NOW,
  updatedAt: NOW,
  archivedAt: null,
})

export const aTask = (wanted: NewTask): Task => ({
  ...wanted,
  id: TASK_ID,
  status: 'queued',
  createdAt: NOW,
  updatedAt: NOW,
})

export function anEvent(seq: number, payload: EventPayload, runId = RUN_ID): StoredEvent {
  return {
    id: `01930000-0000-7000-8000-${String(seq).padStart(12, '0')}`,
    runId,
    seq,
    turn: 1,
    attempt: 1,
    name: payloadName(payload),
    synthetic: false,
    createdAt: NOW,
    payloadText: JSON.stringify(payload),
  }
}

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
}

const missingRun = (id: string): AppError => new AppError('NOT_FOUND_RUN', `There is no run ${id}.`)

/** What the use cases were asked, by name. */
export interface Asked {
  profile?: NewProfile
  ensure?: { profileKey: string; defaults: NewProfile | null; updateExisting: boolean }
  task?: NewTask
  run?: NewRun
  list?: { filter: RunFilter; page: PageRequest }
  stop?: { id: string; actor: string }
  events?: { afterSequence: number; limit: number; types: readonly string[]; raw: boolean }
  approve?: unknown
  reject?: unknown
}

/** Use cases over one run, one task and a short log; `change` replaces parts. */
export function apiDeps(change: Partial<ApiDeps> = {}): { deps: ApiDeps; asked: Asked } {
  const asked: Asked = {}
  const deps: ApiDeps = {
    log: createLogger('silent'),
    version: '0.1.0',
    limits: { bodyBytes: 10 * 1024 * 1024 },
    profiles: profileUseCases(asked),
    tasks: taskUseCases(asked),
    runs: runUseCases(asked),
    events: eventUseCases(asked),
    review: reviewUseCases(asked),
    asAppError: (error) => error,
    runners: { list: async () => [RUNNER] },
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
  create: async (profile) => {
    asked.profile = profile
    return aProfile(profile)
  },
  ensure: async (request) => {
    asked.ensure = request
    if (!request.defaults) throw new AppError('NOT_FOUND_PROFILE', 'There is no such profile.')
    return { profile: aProfile(request.defaults), created: true, updated: false }
  },
  get: async (id) => {
    if (id !== PROFILE_ID) throw new AppError('NOT_FOUND_PROFILE', `There is no profile ${id}.`)
    return aProfile({ profileKey: 'key', name: 'Key', createdBy: null, settings: {} })
  },
})

const taskUseCases = (asked: Asked): ApiDeps['tasks'] => ({
  create: async (task) => {
    asked.task = task
    return aTask(task)
  },
  get: async (id) => {
    if (id !== TASK_ID) throw new AppError('NOT_FOUND_TASK', `There is no task ${id}.`)
    return aTask({
      title: 't',
      description: '',
      scopePath: '',
      projectRoot: '/p',
      contextAttachments: [],
      createdBy: null,
    })
  },
})

const runUseCases = (asked: Asked): ApiDeps['runs'] => ({
  create: async (request) => {
    asked.run = request
    return {
      run: aRun({ idempotencyKey: request.idempotencyKey }),
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
  subscribeAll: () => ({ close: () => undefined }),
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
