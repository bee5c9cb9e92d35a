/** Runs: executions of a task. Watching them is in watch/, what can be done to one in run-actions.ts. */
import { SLOW_REQUEST_TIMEOUT_MS } from './limits.ts'
import { type ListOptions, listing } from './list.ts'
import { ndjson } from './ndjson.ts'
import { allOf, type ListAnswer, type Page, pageOf } from './page.ts'
import { path } from './path.ts'
import { RunActions } from './run-actions.ts'
import type { CallOptions, WriteOptions } from './transport.ts'
import type {
  Artifact,
  CreateRunRequest,
  Explanation,
  InputEntry,
  PreFlight,
  Run,
  RunDelta,
  RunDiff,
  RunEvent,
  RunEventPage,
  RunFilter,
  RunMessage,
  RunMessagePage,
} from './types.ts'
import { type WatchManyOptions, watchMany } from './watch/watch-many.ts'
import { type WatchDeps, type WatchOptions, watchRun } from './watch/watch-run.ts'

export interface EventsOptions extends CallOptions {
  /** Only events above this number; default 0. */
  readonly after?: number | undefined
  /** Events of the page, 1 to 5000; default 1000. */
  readonly limit?: number | undefined
  readonly eventTypes?: readonly string[] | undefined
  /** Also what the agent program printed. */
  readonly includeRaw?: boolean | undefined
  /** Seconds to wait for an event when there is none, 0 to 55. */
  readonly waitSeconds?: number | undefined
}

export interface MessagesOptions extends CallOptions {
  /** Only what began above this number; default 0. */
  readonly after?: number | undefined
  readonly limit?: number | undefined
}

export class Runs extends RunActions {
  readonly #watching: WatchDeps

  constructor(watching: WatchDeps) {
    super(watching.transport)
    this.#watching = watching
  }

  create(run: CreateRunRequest, options: WriteOptions = {}): Promise<Run> {
    const timeoutMs = SLOW_REQUEST_TIMEOUT_MS
    return this.run({ method: 'POST', path: '/api/v1/runs', body: run, timeoutMs, ...options })
  }

  /** Says everything that would keep the run from working, and creates nothing. */
  dryRun(run: CreateRunRequest, options: CallOptions = {}): Promise<PreFlight> {
    const query = { dry_run: true }
    return this.transport.json({
      method: 'POST',
      path: '/api/v1/runs',
      query,
      body: run,
      readOnly: true,
      timeoutMs: SLOW_REQUEST_TIMEOUT_MS,
      ...options,
    })
  }

  /** Newest first. */
  async list(options: ListOptions<RunFilter> = {}): Promise<Page<Run>> {
    const request = listing('/api/v1/runs', options)
    const answer = await this.transport.json<ListAnswer & { runs: Run[] }>(request)
    return pageOf(answer, answer.runs)
  }

  listAll(options: ListOptions<RunFilter> = {}): AsyncGenerator<Run> {
    return allOf((pageToken) => this.list({ ...options, pageToken }))
  }

  get(id: string, options: CallOptions = {}): Promise<Run> {
    return this.run({ method: 'GET', path: path`/api/v1/runs/${id}`, ...options })
  }

  /** The newest run with exactly this tag. */
  getByTag(tag: string, options: CallOptions = {}): Promise<Run> {
    return this.run({ method: 'GET', path: path`/api/v1/runs/tag/${tag}`, ...options })
  }

  /** One page of the log, oldest first. Go on with `next_after_sequence`. */
  events(id: string, options: EventsOptions = {}): Promise<RunEventPage> {
    const { after, limit, eventTypes, includeRaw, waitSeconds, ...call } = options
    return this.transport.json({
      method: 'GET',
      path: path`/api/v1/runs/${id}/events`,
      query: {
        after_sequence: after,
        limit,
        event_types: eventTypes?.join(','),
        include: includeRaw ? 'raw' : undefined,
        wait: waitSeconds,
      },
      ...call,
    })
  }

  /** The whole log as it is now, event by event, without waiting for more. */
  async *eventsAll(id: string, options: EventsOptions = {}): AsyncGenerator<RunEvent> {
    let { after = 0 } = options
    for (;;) {
      const page = await this.events(id, { ...options, after })
      yield* page.events
      if (!page.has_more) return
      after = page.next_after_sequence
    }
  }

  /** The same in one answer (NDJSON), for large logs. Rejects where it breaks off. */
  async *exportEvents(id: string, options: CallOptions = {}): AsyncGenerator<RunEvent> {
    const request = { method: 'GET', path: path`/api/v1/runs/${id}/events.ndjson`, ...options } as const
    yield* ndjson<RunEvent>(await this.transport.stream(request), options.signal)
  }

  /**
   * Every event once and in order, as they come, until the run is final; restarts of the service in between do not
   * show. `after` takes a watch up where another one stopped.
   */
  watch(
    id: string,
    options: WatchOptions & { readonly deltas: true },
  ): AsyncGenerator<RunEvent | RunDelta, void>
  watch(
    id: string,
    options?: WatchOptions & { readonly deltas?: false | undefined },
  ): AsyncGenerator<RunEvent, void>
  watch(id: string, options?: WatchOptions): AsyncGenerator<RunEvent | RunDelta, void>
  watch(id: string, options?: WatchOptions): AsyncGenerator<RunEvent | RunDelta, void> {
    return watchRun(this.#watching, id, options)
  }

  /** Every event of all runs from now on, until the loop is left or the signal is aborted. */
  watchAll(options?: WatchManyOptions): AsyncGenerator<RunEvent | RunDelta, void> {
    return watchMany(this.#watching, 'all', options)
  }

  /** The same for the runs of a task. */
  watchTask(taskId: string, options?: WatchManyOptions): AsyncGenerator<RunEvent | RunDelta, void> {
    return watchMany(this.#watching, { taskId }, options)
  }

  /** The same for the runs whose tag starts so. */
  watchTag(tagPrefix: string, options?: WatchManyOptions): AsyncGenerator<RunEvent | RunDelta, void> {
    return watchMany(this.#watching, { tagPrefix }, options)
  }

  /** Resolves with the run when it is final (or as `until` says). */
  async wait(id: string, options: Pick<WatchOptions, 'until' | 'signal' | 'patienceMs'> = {}): Promise<Run> {
    for await (const _ of this.watch(id, { ...options, eventTypes: ['status'] })) {
      // Only the end counts.
    }
    return this.get(id, { signal: options.signal })
  }

  /** One page of the conversation as a person saw it. Go on with `next_after_sequence`. */
  messages(id: string, options: MessagesOptions = {}): Promise<RunMessagePage> {
    const { after, limit, ...call } = options
    const query = { after_sequence: after, limit }
    return this.transport.json({ method: 'GET', path: path`/api/v1/runs/${id}/messages`, query, ...call })
  }

  /** The whole conversation as it is now. */
  async *messagesAll(id: string, options: MessagesOptions = {}): AsyncGenerator<RunMessage> {
    let { after = 0 } = options
    for (;;) {
      const page = await this.messages(id, { ...options, after })
      yield* page.messages
      if (!page.has_more) return
      after = page.next_after_sequence
    }
  }

  /** What the run changed. Approve with its digest. */
  async diff(
    id: string,
    options: CallOptions & { readonly includeIgnored?: boolean } = {},
  ): Promise<RunDiff> {
    const { includeIgnored, ...call } = options
    const answer = await this.transport.json<{ diff: RunDiff }>({
      method: 'GET',
      path: path`/api/v1/runs/${id}/diff`,
      query: { include_ignored: includeIgnored },
      ...call,
    })
    return answer.diff
  }

  /** What the agent was and will be told, oldest first. */
  async inputs(id: string, options: ListOptions<object> = {}): Promise<Page<InputEntry>> {
    const request = listing(path`/api/v1/runs/${id}/inputs`, options)
    const answer = await this.transport.json<ListAnswer & { inputs: InputEntry[] }>(request)
    return pageOf(answer, answer.inputs)
  }

  async artifacts(id: string, options: CallOptions = {}): Promise<readonly Artifact[]> {
    const request = { method: 'GET', path: path`/api/v1/runs/${id}/artifacts`, ...options } as const
    return (await this.transport.json<{ artifacts: Artifact[] }>(request)).artifacts
  }

  /** The bytes of an artifact, as they come. Cancel the body of the answer to break off. */
  artifactContent(artifactId: string, options: CallOptions = {}): Promise<Response> {
    const request = {
      method: 'GET',
      path: path`/api/v1/artifacts/${artifactId}/content`,
      ...options,
    } as const
    return this.transport.stream(request)
  }

  /** Why the run stands where it stands, and what would come next. */
  explain(id: string, options: CallOptions = {}): Promise<Explanation> {
    return this.transport.json({ method: 'GET', path: path`/api/v1/runs/${id}/explain`, ...options })
  }
}
