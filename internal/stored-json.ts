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

export const SettingsSchema = z
  .object({ ...members, description: z.string(), model: z.string() })
  .partial()
  .transform((settings) =>
    Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
  )

export const RunConfigSchema = z.object({ ...members, model: z.string().nullable() })

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
