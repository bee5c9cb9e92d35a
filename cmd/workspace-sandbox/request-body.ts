/** Request bodies of the contract. Unknown fields are ignored and null means absent, as in the original. */
import { z } from 'zod'
import { badRequest } from './failure.ts'
import { behaviorSchema, STATUSES } from './row.ts'

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

const fileId = z.uuid().toLowerCase()
const hunkRange = z.object({ fileId, startLine: z.int().min(0), endLine: z.int().min(0) })

const approveSchema = z.object({
  mode: z.enum(['', 'all', 'files', 'hunks']).default(''),
  fileIds: z.array(fileId).optional(),
  hunkRanges: z.array(hunkRange).optional(),
  actor: z.string().default(''),
  commitMessage: z.string().optional(),
  createCommit: z.boolean().default(false),
  overrideAcceptance: z.boolean().default(false),
  force: z.boolean().default(false),
})
export type ApproveBody = z.infer<typeof approveSchema>

const discardSchema = z.object({
  fileIds: z.array(fileId).default([]),
  filePaths: z.array(z.string()).default([]),
  actor: z.string().default(''),
})
export type DiscardBody = z.infer<typeof discardSchema>

const rebaseSchema = z.object({ strategy: z.string().default('regenerate'), actor: z.string().default('') })
export type RebaseBody = z.infer<typeof rebaseSchema>

const fileSchema = z.object({
  content: z.string(),
  encoding: z.enum(['', 'utf8', 'base64']).default('utf8'),
  /** Permission bits for a file that is made now. */
  mode: z.int().min(0).max(0o777).default(0o644),
})
export type FileBody = z.infer<typeof fileSchema>

const mkdirSchema = z.object({ path: z.string().min(1) })

const nanoseconds = z.int().min(0)
const gcSchema = z.object({
  policy: z
    .object({
      maxAge: nanoseconds.optional(),
      idleTimeout: nanoseconds.optional(),
      maxTotalSizeBytes: z.int().min(0).optional(),
      includeTerminal: z.boolean().default(false),
      terminalDelay: nanoseconds.default(0),
      statuses: z.array(z.enum(STATUSES)).default([]),
    })
    .optional(),
  dryRun: z.boolean().default(false),
  limit: z.int().min(0).default(0),
  actor: z.string().default(''),
})
export type GcBody = z.infer<typeof gcSchema>

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

/** @throws ServiceFailure 400, also when it names neither ids nor paths */
export function readDiscardBody(body: unknown): DiscardBody {
  const request = read(discardSchema, parseJson(body))
  if (request.fileIds.length + request.filePaths.length === 0)
    throw badRequest('fileIds or filePaths must name at least one file')
  return request
}

/** @throws ServiceFailure 400 */
export const readRebaseBody = (body: unknown): RebaseBody =>
  read(rebaseSchema, isEmpty(body) ? {} : parseJson(body))

/** @throws ServiceFailure 400 */
export const readFileBody = (body: unknown): FileBody => read(fileSchema, parseJson(body))

/** @throws ServiceFailure 400 */
export const readMkdirBody = (body: unknown): { path: string } => read(mkdirSchema, parseJson(body))

/** An empty body asks for the default policy; one that cannot be read collects nothing. @throws ServiceFailure 400 */
export const readGcBody = (body: unknown): GcBody => read(gcSchema, isEmpty(body) ? {} : parseJson(body))

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
