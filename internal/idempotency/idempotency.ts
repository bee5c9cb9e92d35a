/** A request that carries a key is carried out once, whoever sends it how often: docs/adr/0018-idempotency.md. */
import { createHash } from 'node:crypto'

/** What an answer was, as it is given again. */
export interface KeptAnswer {
  /** 200-299, or 400-499 but 408, 409 and 429. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface KeyedRequest {
  readonly principal: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** 1 to 500 bytes. */
  readonly key: string
  /** Of everything the request says: `requestDigest`. */
  readonly digest: string
}

/** The right to carry a request out. Exactly one of `keep` and `free` ends it. */
export interface Reservation {
  /** The id of what the request makes: whoever carries it out after a crash makes the same thing. */
  readonly subjectId: string
  /** The answer that repeats get. Never throws: where it cannot be kept, a repeat is carried out again. */
  keep(answer: KeptAnswer): Promise<void>
  /** Nothing is kept: the next request with the key is carried out. Never throws. */
  free(): Promise<void>
}

/** Bodies above this are not kept: a repeat is carried out again, under the same subject id. Bytes in UTF-8. */
export const MAX_KEPT_BODY_BYTES = 1024 * 1024

/** Whether repeats get this answer: neither a failure of ours nor one that passes. */
export function isKept(status: number): boolean {
  if (status >= 200 && status < 300) return true
  return status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429
}

/** The name of a key's record. Each part is measured, so that no two lists of parts look alike. */
export function recordId({ principal, method, path, key }: Omit<KeyedRequest, 'digest'>): string {
  const hash = createHash('sha256')
  for (const part of [principal, method, path, key]) hash.update(`${Buffer.byteLength(part)}:`).update(part)
  return hash.digest('hex')
}

/** The same for every spelling of the same JSON: order of members and white space do not count. */
export function requestDigest(query: unknown, body: unknown): string {
  return createHash('sha256')
    .update(canonicalJson([query, body]))
    .digest('hex')
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
