/** Where a client stands in several runs: `{"<run id>": number of the last event it has}`. */
import { AppError } from '../../internal/errors.ts'
import { MAX_STREAM_RUNS } from '../limits.ts'
import { isId } from '../schemas/common.ts'

/** By run id in lower case. Throws SUBSCRIPTION_TOO_WIDE, VALIDATION_FIELD, VALIDATION_CONFLICT. */
export function cursorsIn(given: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  const entries = Object.entries(given)
  if (entries.length > MAX_STREAM_RUNS) {
    throw new AppError(
      'SUBSCRIPTION_TOO_WIDE',
      `cursors names ${entries.length} runs; at most ${MAX_STREAM_RUNS} go into one subscription.`,
    )
  }
  const cursors = new Map<string, number>()
  for (const [text, sequence] of entries) {
    const field = `cursors.${text.slice(0, 100)}`
    if (!isId(text)) throw fault('VALIDATION_FIELD', field, 'must be the id of a run, a UUID')
    const runId = text.toLowerCase()
    if (cursors.has(runId)) throw fault('VALIDATION_CONFLICT', field, 'is there twice; send it once')
    cursors.set(runId, sequence)
  }
  return cursors
}

const fault = (code: 'VALIDATION_FIELD' | 'VALIDATION_CONFLICT', field: string, message: string): AppError =>
  new AppError(code, `${field}: ${message}.`, { faults: [{ field, rule: 'format', message }] })
