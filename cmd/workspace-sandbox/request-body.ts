/** Request bodies of the contract. Unknown fields are ignored and null means absent, as in the original. */
import { z } from 'zod'
import { badRequest } from './failure.ts'
import { behaviorSchema } from './row.ts'

const createSchema = z.object({
  projectRoot: z.string().default(''),
  scopePath: z.string().default(''),
  reservedPaths: z.array(z.string()).default([]),
  reservedPath: z.string().default(''),
  noLock: z.boolean().default(false),
  owner: z.string().default(''),
  ownerType: z.string().default('user'),
  tags: z.array(z.string()).default([]),
  metadata: z.record(z.string(), z.unknown()).default({}),
  behavior: behaviorSchema.prefault({}),
  idempotencyKey: z.string().default(''),
})
export type CreateBody = z.infer<typeof createSchema>

const approveSchema = z.object({
  mode: z.enum(['', 'all', 'files', 'hunks']).default(''),
  fileIds: z.array(z.uuid().toLowerCase()).optional(),
  hunkRanges: z.array(z.unknown()).optional(),
  actor: z.string().default(''),
  commitMessage: z.string().optional(),
  createCommit: z.boolean().default(false),
  overrideAcceptance: z.boolean().default(false),
  force: z.boolean().default(false),
})
export type ApproveBody = z.infer<typeof approveSchema>

const rejectSchema = z.object({ actor: z.string().default('') })

/** @throws ServiceFailure 400 */
export function readCreateBody(body: unknown): CreateBody {
  const request = read(createSchema, parseJson(body))
  const { allow, deny } = request.behavior.acceptance
  const absolute = [...(allow.pathGlobs ?? []), ...(deny.pathGlobs ?? [])].find((glob) =>
    glob.startsWith('/'),
  )
  if (absolute !== undefined) throw badRequest(`invalid behavior: glob must be relative: ${absolute}`)
  return request
}

/** An empty body approves everything; one that cannot be read approves nothing. @throws ServiceFailure 400 */
export function readApproveBody(body: unknown): ApproveBody {
  if (isEmpty(body)) return read(approveSchema, { mode: 'all' })
  return read(approveSchema, parseJson(body))
}

/** @throws ServiceFailure 400 */
export function readRejectBody(body: unknown): { actor: string } {
  return read(rejectSchema, isEmpty(body) ? {} : parseJson(body))
}

const isEmpty = (body: unknown): boolean => !Buffer.isBuffer(body) || body.toString('utf8').trim() === ''

function parseJson(body: unknown): unknown {
  try {
    return withoutNulls(JSON.parse(Buffer.isBuffer(body) ? body.toString('utf8') : ''))
  } catch {
    throw badRequest('invalid request body')
  }
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([, each]) => each !== null)
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutNulls(each)]))
}

function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const place = issue?.path.join('.') ?? ''
  throw badRequest(
    `invalid request body${place === '' ? '' : `: ${place}`}: ${issue?.message ?? 'not understood'}`,
  )
}
