/** JSON that we wrote into a text column comes back through its schema, so that a row never lies to a type. */
import { z } from 'zod'

import { PERMISSION_MODES, RUNNER_TYPES } from './runner/port.ts'

const members = {
  runnerType: z.enum(RUNNER_TYPES),
  maxTurns: z.number(),
  timeoutMs: z.number(),
  idleTimeoutMs: z.number(),
  permissionMode: z.enum(PERMISSION_MODES),
  requiresSandbox: z.boolean(),
  requiresApproval: z.boolean(),
  containment: z.enum(['required', 'preferred']),
  network: z.enum(['allow', 'deny']),
  home: z.enum(['isolated', 'user']),
  env: z.array(z.string()),
}

const mcpServer = z.union([
  z.object({ name: z.string(), command: z.string(), args: z.array(z.string()), env: z.array(z.string()) }),
  z.object({ name: z.string(), url: z.string(), headersEnv: z.record(z.string(), z.string()) }),
])

/** Members that the first rows did not have. */
const later = {
  allowedTools: z.array(z.string()),
  deniedTools: z.array(z.string()),
  allowedPaths: z.array(z.string()),
  deniedPaths: z.array(z.string()),
  interactionTimeoutMs: z.number(),
  interactionDefault: z.enum(['deny', 'allow']),
  onLost: z.enum(['resume', 'restart', 'fail']),
  mcpServers: z.array(mcpServer),
  trustProject: z.boolean(),
}

export const SettingsSchema = z
  .object({ ...members, ...later, description: z.string(), model: z.string() })
  .partial()
  .transform((settings) =>
    Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
  )

export const RunConfigSchema = z.object({
  ...members,
  model: z.string().nullable(),
  allowedTools: later.allowedTools.default([]),
  deniedTools: later.deniedTools.default([]),
  allowedPaths: later.allowedPaths.default([]),
  deniedPaths: later.deniedPaths.default([]),
  interactionTimeoutMs: later.interactionTimeoutMs.default(300_000),
  interactionDefault: later.interactionDefault.default('deny'),
  onLost: later.onLost.default('resume'),
  mcpServers: later.mcpServers.default([]),
  trustProject: later.trustProject.default(false),
})

const source = z.enum(['inline', 'profile', 'lever', 'default'])
export const ConfigSourcesSchema = z.object({
  runnerType: source,
  model: source,
  maxTurns: source,
  timeoutMs: source,
  idleTimeoutMs: source,
  permissionMode: source,
  requiresSandbox: source,
  requiresApproval: source,
  containment: source,
  network: source,
  home: source,
  env: source,
  allowedTools: source.default('default'),
  deniedTools: source.default('default'),
  allowedPaths: source.default('default'),
  deniedPaths: source.default('default'),
  interactionTimeoutMs: source.default('default'),
  interactionDefault: source.default('default'),
  onLost: source.default('default'),
  mcpServers: source.default('default'),
  trustProject: source.default('default'),
})

export const FailureSchema = z.object({
  code: z.enum([
    'agent_error',
    'agent_crashed',
    'provider_auth',
    'provider_rejected',
    'rate_limited',
    'context_overflow',
    'idle_timeout',
    'wall_timeout',
    'start_timeout',
    'queue_timeout',
    'budget_exceeded',
    'nothing_happened',
    'sandbox_error',
    'sandbox_lost',
    'lease_lost',
    'attempts_exhausted',
    'policy_denied',
    'storage_full',
    'internal',
  ]),
  message: z.string(),
  recovery: z.enum(['none', 'fix_input', 'wait', 'retry_backoff', 'use_alternative', 'escalate']),
  retryable: z.boolean(),
  exitCode: z.number().nullable(),
  signal: z.string().nullable(),
  stderrTail: z.string().nullable(),
})

export const SummarySchema = z.object({
  description: z.string(),
  tokensUsed: z.number(),
  turnsUsed: z.number(),
  costEstimate: z.number().nullable(),
})

export const AttachmentsSchema = z.array(
  z.object({
    type: z.enum(['file', 'link', 'note']),
    key: z.string().nullable(),
    tags: z.array(z.string()),
    path: z.string().nullable(),
    url: z.string().nullable(),
    content: z.string().nullable(),
    label: z.string().nullable(),
  }),
)

export const SandboxFilesSchema = z.array(
  z.object({ id: z.string(), path: z.string(), changeType: z.enum(['added', 'modified', 'deleted']) }),
)

export const CommitPlanSchema = z.object({
  head: z.string(),
  branch: z.string().nullable(),
  clean: z.array(z.string()),
  dirty: z.array(z.string()),
})

export const QuestionsSchema = z.array(
  z.object({
    question: z.string(),
    header: z.string().nullable(),
    options: z.array(z.object({ label: z.string(), description: z.string().nullable() })),
    multiSelect: z.boolean(),
  }),
)

export const AnswerSchema = z.object({
  decision: z.enum(['allow', 'deny']),
  scope: z.enum(['once', 'session']),
  input: z.unknown(),
  message: z.string().nullable(),
  interrupt: z.boolean(),
  answers: z.record(z.string(), z.string()).nullable(),
})
