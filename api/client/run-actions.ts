/** What can be done to runs. */
import { SLOW_REQUEST_TIMEOUT_MS } from './limits.ts'
import { path } from './path.ts'
import type { CallOptions, Request, Transport, WriteOptions } from './transport.ts'
import type {
  Approved,
  ApproveRequest,
  Continued,
  ForkRequest,
  InputEntry,
  RejectRequest,
  RetryRequest,
  Run,
  StopAllRequest,
  StoppedRuns,
} from './types.ts'

interface Actor {
  readonly actor?: string | undefined
}

export class RunActions {
  protected readonly transport: Transport

  constructor(transport: Transport) {
    this.transport = transport
  }

  /** Lands what was reviewed; without `digest` the diff as it was when the turn ended. */
  approve(id: string, decision: ApproveRequest = {}, options: WriteOptions = {}): Promise<Approved> {
    const timeoutMs = SLOW_REQUEST_TIMEOUT_MS
    return this.transport.json(this.#post(id, 'approve', decision, { timeoutMs, ...options }))
  }

  reject(id: string, decision: RejectRequest = {}, options: WriteOptions = {}): Promise<Run> {
    return this.run(this.#post(id, 'reject', decision, options))
  }

  /** Tells the agent more, in a turn after this one (`queue`) or at once (`steer`). */
  continue(
    id: string,
    input: { readonly message: string; readonly delivery?: 'queue' | 'steer' | undefined },
    options: WriteOptions = {},
  ): Promise<Continued> {
    return this.transport.json(this.#post(id, 'continue', input, options))
  }

  /** Rewords an input that the agent does not have yet. */
  async editInput(
    id: string,
    inputId: string,
    message: string,
    options: CallOptions = {},
  ): Promise<InputEntry> {
    const one = path`/api/v1/runs/${id}/inputs/${inputId}`
    const request = { method: 'PATCH', path: one, body: { message }, ...options } as const
    return (await this.transport.json<{ input: InputEntry }>(request)).input
  }

  /** Takes back an input that the agent does not have yet. */
  async cancelInput(id: string, inputId: string, options: CallOptions = {}): Promise<InputEntry> {
    const one = path`/api/v1/runs/${id}/inputs/${inputId}`
    const request = { method: 'DELETE', path: one, ...options } as const
    return (await this.transport.json<{ input: InputEntry }>(request)).input
  }

  /** Ends the turn and keeps the run. */
  interrupt(id: string, actor: Actor = {}, options: WriteOptions = {}): Promise<Run> {
    return this.run(this.#post(id, 'interrupt', actor, options))
  }

  /** Resolves when the intent is durable: `stopping` is true until the run is cancelled. */
  stop(id: string, actor: Actor = {}, options: WriteOptions = {}): Promise<Run> {
    return this.run(this.#post(id, 'stop', actor, options))
  }

  /** The newest run with exactly this tag. */
  stopByTag(tag: string, actor: Actor = {}, options: WriteOptions = {}): Promise<Run> {
    return this.run({ method: 'POST', path: path`/api/v1/runs/tag/${tag}/stop`, body: actor, ...options })
  }

  /** All runs that are not finished, or those whose tag starts so. */
  async stopAll(which: StopAllRequest = {}, options: WriteOptions = {}): Promise<StoppedRuns> {
    const request = { method: 'POST', path: '/api/v1/runs/stop-all', body: which, ...options } as const
    return (await this.transport.json<{ result: StoppedRuns }>(request)).result
  }

  /** The same again as a run of its own. */
  retry(id: string, changes: RetryRequest = {}, options: WriteOptions = {}): Promise<Run> {
    return this.run(this.#post(id, 'retry', changes, { timeoutMs: SLOW_REQUEST_TIMEOUT_MS, ...options }))
  }

  /** A run of its own that goes on from what this one knew, at the end or after a turn. */
  fork(id: string, from: ForkRequest = {}, options: WriteOptions = {}): Promise<Run> {
    return this.run(this.#post(id, 'fork', from, { timeoutMs: SLOW_REQUEST_TIMEOUT_MS, ...options }))
  }

  /** Of a finished run. Its events stay for auditors. */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.transport.json({ method: 'DELETE', path: path`/api/v1/runs/${id}`, ...options })
  }

  protected async run(request: Request): Promise<Run> {
    return (await this.transport.json<{ run: Run }>(request)).run
  }

  #post(id: string, action: string, body: object, options: WriteOptions): Request {
    return { method: 'POST', path: path`/api/v1/runs/${id}/${action}`, body, ...options }
  }
}
