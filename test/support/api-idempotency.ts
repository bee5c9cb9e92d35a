/** Keys for tests of the HTTP boundary: remembers in memory what it was asked and what it was given to keep. */
import type { ApiDeps } from '../../api/deps.ts'
import type { KeptAnswer, KeyedRequest } from '../../internal/idempotency/idempotency.ts'

export const SUBJECT_ID = '01930000-0000-7000-8000-000000000007'

export interface Keys extends NonNullable<ApiDeps['idempotency']> {
  readonly begun: KeyedRequest[]
  readonly kept: Map<string, KeptAnswer>
  /** Keys that were given up without an answer. */
  readonly freed: string[]
}

export function memoryKeys(): Keys {
  const begun: KeyedRequest[] = []
  const kept = new Map<string, KeptAnswer>()
  const freed: string[] = []
  return {
    begun,
    kept,
    freed,
    begin: async (request) => {
      begun.push(request)
      const answer = kept.get(request.key)
      if (answer) return { kind: 'repeat', answer }
      const reservation = {
        subjectId: SUBJECT_ID,
        keep: async (given: KeptAnswer) => void kept.set(request.key, given),
        free: async () => void freed.push(request.key),
      }
      return { kind: 'first', reservation }
    },
  }
}
