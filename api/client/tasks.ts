/** Tasks: what someone wants done. They outlive their runs. */
import { type ListOptions, listing, type UpdateOptions, updating } from './list.ts'
import { allOf, type ListAnswer, type Page, pageOf } from './page.ts'
import { path } from './path.ts'
import type { CallOptions, Request, Tagged, Transport, WriteOptions } from './transport.ts'
import type { Task, TaskFilter, TaskRequest } from './types.ts'

export class Tasks {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(options: ListOptions<TaskFilter> = {}): Promise<Page<Task>> {
    const request = listing('/api/v1/tasks', options)
    const answer = await this.#transport.json<ListAnswer & { tasks: Task[] }>(request)
    return pageOf(answer, answer.tasks)
  }

  listAll(options: ListOptions<TaskFilter> = {}): AsyncGenerator<Task> {
    return allOf((pageToken) => this.list({ ...options, pageToken }))
  }

  get(id: string, options: CallOptions = {}): Promise<Task> {
    return this.#task({ method: 'GET', path: path`/api/v1/tasks/${id}`, ...options })
  }

  /** With the `etag` that `update` takes as `ifMatch`. */
  async getTagged(id: string, options: CallOptions = {}): Promise<Tagged<Task>> {
    const request = { method: 'GET', path: path`/api/v1/tasks/${id}`, ...options } as const
    const { value, etag } = await this.#transport.tagged<{ task: Task }>(request)
    return { value: value.task, etag }
  }

  create(task: TaskRequest, options: WriteOptions = {}): Promise<Task> {
    return this.#task({ method: 'POST', path: '/api/v1/tasks', body: { task }, ...options })
  }

  update(id: string, task: TaskRequest, options: UpdateOptions = {}): Promise<Task> {
    return this.#task(updating(path`/api/v1/tasks/${id}`, { task }, options))
  }

  /** Also stops its runs. */
  cancel(id: string, actor: { readonly actor?: string } = {}, options: WriteOptions = {}): Promise<Task> {
    return this.#task({ method: 'POST', path: path`/api/v1/tasks/${id}/cancel`, body: actor, ...options })
  }

  /** The events of its runs stay for auditors. */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: path`/api/v1/tasks/${id}`, ...options })
  }

  async #task(request: Request): Promise<Task> {
    return (await this.#transport.json<{ task: Task }>(request)).task
  }
}
