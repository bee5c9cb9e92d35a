/** What lists and updates of every noun take. */
import type { PageOptions } from './page.ts'
import type { CallOptions } from './transport.ts'

export type ListOptions<Filter> = Filter & PageOptions & CallOptions

/** An update that must not overwrite what somebody else wrote since. */
export interface UpdateOptions extends CallOptions {
  /** The ETag of what was read; a stale one is a 412. */
  readonly ifMatch?: string | undefined
}

/** The parts of a request for a list. */
export function listing<Filter extends object>(path: string, options: ListOptions<Filter>) {
  const { pageSize, pageToken, signal, timeoutMs, ...filter } = options
  const query = { ...filter, page_size: pageSize, page_token: pageToken }
  return { method: 'GET', path, query, signal, timeoutMs } as const
}

/** The parts of a request for an update. */
export function updating(path: string, body: object, { ifMatch, ...call }: UpdateOptions) {
  return { method: 'PUT', path, body, ...call, ...(ifMatch && { headers: { 'if-match': ifMatch } }) } as const
}
