/** Zod schemas for what the service answers. Arrays may be null or absent there, and unknown fields are normal. */
import { z } from 'zod'

export const sandboxAnswer = z.object({
  id: z.string().min(1),
  status: z.enum(['creating', 'active', 'stopped', 'approved', 'rejected', 'error', 'deleted']),
  mergedDir: z.string().nullish(),
  driver: z.string().nullish(),
  errorMessage: z.string().nullish(),
})
export type SandboxAnswer = z.infer<typeof sandboxAnswer>

export const diffAnswer = z.object({
  files: z
    .array(
      z.object({
        id: z.string().min(1),
        filePath: z.string().min(1),
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
  conflictInfo: z.object({ conflictingFiles: z.array(z.string()).nullish() }).nullish(),
})
export type ApprovalAnswer = z.infer<typeof approvalAnswer>

export const errorAnswer = z.object({
  error: z.string(),
  details: z.object({ conflictingFiles: z.array(z.string()).nullish() }).nullish(),
})

export const healthAnswer = z.object({ status: z.string().nullish(), readiness: z.boolean().nullish() })
