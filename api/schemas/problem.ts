/** Error documents (RFC 9457) and how routes declare which of them they answer. */
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../internal/errors.ts'
import { isObject } from '../dialect/keys.ts'

export const PROBLEM_TYPE = 'application/problem+json'

export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: 'urn:agent-manager:error:<code in lower case>' }),
    title: z.string().meta({ description: 'The same for every error of this code.' }),
    status: z.int(),
    detail: z.string().meta({ description: 'What is wrong here and how to mend it.' }),
    instance: z.string().meta({ description: 'urn:agent-manager:request:<request id>' }),
    code: z.enum(Object.keys(ERRORS)).meta({ description: 'Stable, append-only.' }),
    message: z.string().meta({ description: 'The same as `detail`.' }),
    user_message: z.string().meta({ description: 'Fit to be shown to an end user.' }),
    recovery: z
      .enum(['none', 'fix_input', 'wait', 'retry_immediate', 'retry_backoff', 'use_alternative', 'escalate'])
      .meta({ description: 'What to do about it.' }),
    retryable: z.boolean().meta({ description: 'The same request may succeed later. Also in X-Retryable.' }),
    request_id: z.string().meta({ description: 'Also in X-Request-ID; quote it when asking for help.' }),
    errors: z
      .array(
        z.strictObject({
          field: z.string().meta({ description: 'Path of the field as the request spelled it.' }),
          rule: z.string().meta({ description: 'required, type, min, max, enum, unknown, conflict, …' }),
          message: z.string(),
        }),
      )
      .meta({ description: 'Faults of single fields.' }),
  })
  .meta({
    id: 'Problem',
    description: 'An error. Further members may follow, for example `conflicts` with STATE_CONFLICT.',
  })

const EVERYWHERE: readonly ErrorCode[] = ['VALIDATION_FORMAT', 'INTERNAL', 'DATABASE_CONNECTION', 'DRAINING']
export const READING: readonly ErrorCode[] = [
  'VALIDATION_FIELD',
  'VALIDATION_UNKNOWN_FIELD',
  'VALIDATION_CONFLICT',
]
/** A body is read where the method may have one, even on routes that want none. */
export const WITH_BODY: readonly ErrorCode[] = [
  'REQUEST_TIMEOUT',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
]
export const WRITING: readonly ErrorCode[] = [
  ...READING,
  ...WITH_BODY,
  'NOT_IMPLEMENTED',
  'POLICY_AGENT_CALLER',
]

/** The error answers of a route, one per status, each naming its codes. */
export function problems(...codes: readonly ErrorCode[]) {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of [...codes, ...EVERYWHERE]) {
    const { status } = ERRORS[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const answers: Record<number, object> = {}
  for (const [status, of] of byStatus) {
    answers[status] = { description: of.join(', '), content: { [PROBLEM_TYPE]: { schema: problemSchema } } }
  }
  return answers
}

/** The answers of a route, and further errors it may answer. */
export function withProblems(answers: unknown, ...codes: readonly ErrorCode[]): Record<string, unknown> {
  const all: Record<string, unknown> = { ...(isObject(answers) ? answers : {}) }
  for (const code of codes) {
    const { status } = ERRORS[code]
    const known = all[status]
    const listed = isObject(known) ? String(known['description']).split(', ') : []
    if (listed.includes(code)) continue
    const description = [...listed, code].join(', ')
    all[status] = { description, content: { [PROBLEM_TYPE]: { schema: problemSchema } } }
  }
  return all
}
