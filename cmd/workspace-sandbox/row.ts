/** What is stored of a sandbox: the contract's fields, and what only this service needs to know. */
import { z } from 'zod'

export const STATUSES = ['creating', 'active', 'stopped', 'approved', 'rejected', 'error', 'deleted'] as const

const criteria = z.object({
  pathGlobs: z.array(z.string()).optional(),
  extensions: z.array(z.string()).optional(),
})

const lifecycleEvent = z.enum([
  'run_completed',
  'run_failed',
  'run_cancelled',
  'approved',
  'rejected',
  'terminal',
])
const nanoseconds = z.int().min(0)

export const behaviorSchema = z.object({
  lifecycle: z
    .object({
      stopOn: z.array(lifecycleEvent).optional(),
      deleteOn: z.array(lifecycleEvent).optional(),
      ttl: nanoseconds.optional(),
      idleTimeout: nanoseconds.optional(),
    })
    .default({}),
  acceptance: z
    .object({
      mode: z.literal('allowlist').default('allowlist'),
      allow: criteria.default({}),
      deny: criteria.default({}),
      ignoreBinary: z.boolean().optional(),
      autoApprove: z.boolean().optional(),
      autoReject: z.boolean().optional(),
    })
    .default({ mode: 'allowlist', allow: {}, deny: {} }),
})
export type Behavior = z.infer<typeof behaviorSchema>

/** A landing that has begun. Found at start, it is finished or the sandbox is marked as broken. */
const intentSchema = z.object({
  fromTree: z.string(),
  toTree: z.string(),
  /** Whether nothing is left over once it has landed. */
  complete: z.boolean(),
})

export const rowSchema = z.object({
  format: z.literal(1),
  id: z.uuid(),
  status: z.enum(STATUSES),
  /** As the caller sent it. */
  projectRoot: z.string(),
  /** Real paths. */
  realRoot: z.string(),
  scopePath: z.string(),
  /** Absolute prefixes held against other sandboxes; empty with `noLock`. */
  reservedPaths: z.array(z.string()),
  noLock: z.boolean(),
  owner: z.string(),
  ownerType: z.string(),
  tags: z.array(z.string()),
  metadata: z.record(z.string(), z.unknown()),
  behavior: behaviorSchema,
  idempotencyKey: z.string().nullable(),
  errorMessage: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
  lastUsedAt: z.string(),
  stoppedAt: z.string().nullable(),
  approvedAt: z.string().nullable(),
  deletedAt: z.string().nullable(),
  driver: z.string(),
  driverVersion: z.string(),
  mergedDir: z.string().nullable(),
  baseCommitHash: z.string().nullable(),
  sizeBytes: z.number(),
  fileCount: z.number(),
  version: z.number(),
  /** Tree the next diff is taken against; null until the copy is made. */
  baseTree: z.string().nullable(),
  intent: intentSchema.nullable(),
})
export type Row = z.infer<typeof rowSchema>

/** Nothing can be done with it any more: its idempotency key makes a new sandbox. */
export const isDead = (row: Row): boolean => ['error', 'deleted', 'rejected'].includes(row.status)
