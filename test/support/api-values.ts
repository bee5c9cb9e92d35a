/** Plain values of the product's nouns, for tests of the HTTP boundary. */
import { type EventPayload, payloadName, type StoredEvent } from '../../internal/event/event.ts'
import type { Interaction } from '../../internal/interaction/interaction.ts'
import type { NewProfile, Profile, ProfileVersion } from '../../internal/profile/profile.ts'
import type { Run } from '../../internal/run/run.ts'
import type { RunInput } from '../../internal/run/run-input.ts'
import type { NewTask, Task } from '../../internal/task/task.ts'

export const RUN_ID = '01930000-0000-7000-8000-000000000001'
export const TASK_ID = '01930000-0000-7000-8000-000000000002'
export const PROFILE_ID = '01930000-0000-7000-8000-000000000003'
export const UNKNOWN_ID = '01930000-0000-7000-8000-00000000ffff'
export const INTERACTION_ID = '01930000-0000-7000-8000-000000000004'
export const QUESTION_ID = '01930000-0000-7000-8000-000000000005'
export const INPUT_ID = '01930000-0000-7000-8000-000000000006'
export const NOW = new Date('2026-11-21T10:00:00.000Z')

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
  pendingInteractions: 0,
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
    allowedTools: ['read', 'Bash(git log:*)'],
    deniedTools: ['web_fetch'],
    allowedPaths: ['src/**'],
    deniedPaths: ['src/secret/**'],
    interactionTimeoutMs: 300_000,
    interactionDefault: 'deny',
    onLost: 'resume',
    mcpServers: [
      { name: 'docs', command: 'docs-server', args: ['--stdio'], env: ['DOCS_TOKEN'] },
      { name: 'web', url: 'https://mcp.example/', headersEnv: { Authorization: 'WEB_TOKEN' } },
    ],
    trustProject: false,
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
    allowedTools: 'inline',
    deniedTools: 'profile',
    allowedPaths: 'default',
    deniedPaths: 'default',
    interactionTimeoutMs: 'default',
    interactionDefault: 'default',
    onLost: 'default',
    mcpServers: 'profile',
    trustProject: 'default',
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
  retryOf: null,
  forkOf: null,
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
    pendingInteractions: 2,
    waitingOn: { kind: 'interaction', detail: 'may it write x?', since: NOW, estimate: '2 min' },
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
  revision: 4,
})

export const aVersion = (profileId: string, version: number): ProfileVersion => ({
  profileId,
  version,
  settings: { maxTurns: version },
  createdAt: NOW,
})

export const aTask = (wanted: NewTask): Task => ({
  ...wanted,
  id: TASK_ID,
  status: 'queued',
  createdAt: NOW,
  updatedAt: NOW,
  revision: 7,
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

/** An open permission request; `change` replaces parts. */
export const anInteraction = (change: Partial<Interaction> = {}): Interaction => ({
  id: INTERACTION_ID,
  runId: RUN_ID,
  turn: 1,
  kind: 'permission',
  status: 'pending',
  toolName: 'write',
  detail: '/p/x',
  input: { file_path: '/p/x', newText: 'y' },
  questions: [],
  suggestions: [
    { decision: 'allow', scope: 'once' },
    { decision: 'deny', scope: 'once' },
  ],
  createdAt: NOW,
  deadlineAt: new Date(NOW.getTime() + 300_000),
  answer: null,
  answeredBy: null,
  ...change,
})

export const aQuestion = (): Interaction =>
  anInteraction({
    id: QUESTION_ID,
    kind: 'question',
    toolName: null,
    detail: 'Which color?',
    questions: [
      {
        question: 'Which color?',
        header: 'Color',
        options: [{ label: 'Red', description: null }],
        multiSelect: true,
      },
    ],
    suggestions: [],
  })

export const anInput = (change: Partial<RunInput> = {}): RunInput => ({
  id: INPUT_ID,
  runId: RUN_ID,
  turn: 2,
  source: 'continue',
  delivery: 'queue',
  status: 'queued',
  content: 'go on',
  createdAt: NOW,
  deliveredAt: null,
  sequence: null,
  actor: null,
  ...change,
})
