/** Zod schemas for what the service answers. Arrays may be null or absent there, and unknown fields are normal. */
import { z } from 'zod'
import { isProjectPath } from './project-path.ts'

export const sandboxAnswer = z.object({
  id: z.string().min(1),
  status: z.enum(['creating', 'active', 'stopped', 'approved', 'rejected', 'error', 'deleted']),
  mergedDir: z.string().nullish(),
  driver: z.string().nullish(),
  errorMessage: z.string().nullish(),
  createdAt: z.string().nullish(),
  approvedAt: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish().catch(null),
  /** Only where it was looked at: in a reading of an active sandbox. */
  mountHealth: z.object({ healthy: z.boolean(), error: z.string().nullish() }).nullish(),
})
export type SandboxAnswer = z.infer<typeof sandboxAnswer>

export const diffAnswer = z.object({
  files: z
    .array(
      z.object({
        id: z.string().min(1),
        filePath: z.string().refine(isProjectPath, 'leads out of the project'),
        changeType: z.enum(['added', 'modified', 'deleted']),
      }),
    )
    .nullish(),
  unifiedDiff: z.string().nullish(),
})

/** `success` is not optional: an answer without it is no answer. */
export const approvalAnswer = z.object({
  success: z.boolean(),
  applied: z.int(),
  failed: z.int().nullish(),
  remaining: z.int().nullish(),
  isPartial: z.boolean().nullish(),
  error: z.string().nullish(),
  conflictInfo: z
    .object({ conflictingFiles: z.array(z.string()).nullish() })
    .nullish()
    .catch(null),
})
export type ApprovalAnswer = z.infer<typeof approvalAnswer>

/** Details are a courtesy: what is odd in them never hides the sentence beside them. */
export const errorAnswer = z.object({
  error: z.string(),
  details: z
    .object({
      conflictingFiles: z.array(z.string()).nullish(),
      conflicts: z.array(z.object({ sandboxId: z.string(), conflictType: z.string().nullish() })).nullish(),
    })
    .nullish()
    .catch(null),
})

export const healthAnswer = z.object({ status: z.string().nullish(), readiness: z.boolean().nullish() })

export const listAnswer = z.object({ sandboxes: z.array(z.unknown()).nullish() })

export const listedSandbox = z.object({
  id: z.string().min(1),
  owner: z.string().nullish(),
  status: z.enum(['active', 'stopped', 'approved', 'rejected', 'error']),
  idempotencyKey: z.string().nullish(),
  createdAt: z.string().refine((text) => !Number.isNaN(Date.parse(text))),
})
