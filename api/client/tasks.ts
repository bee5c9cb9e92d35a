/** Tasks: what someone wants done. They outlive their runs. */
import { type ListOptions, listing, type UpdateOptions, updating } from './list.ts'
import { allOf, type ListAnswer, type Page, pageOf } from './page.ts'
import { path } from './path.ts'
import type { CallOptions, Request, Transport, WriteOptions } from './transport.ts'
import type { Task, TaskRequest } from './types.ts'

export interface TaskFilter {
  readonly status?: string | undefined
  readonly scope_prefix?: string | undefined
}

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

  create(task: TaskRequest, options: WriteOptions = {}): Promise<Task> {
    return this.#task({ method: 'POST', path: '/api/v1/tasks', body: { task }, ...options })
  }

  update(id: string, task: TaskRequest, options: UpdateOptions = {}): Promise<Task> {
    return this.#task(updating(path`/api/v1/tasks/${id}`, { task }, options))
  }

  /** Also stops its runs. */
  async cancel(id: string, options: WriteOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'POST', path: path`/api/v1/tasks/${id}/cancel`, ...options })
  }

  /** The events of its runs stay for auditors. */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: path`/api/v1/tasks/${id}`, ...options })
  }

  async #task(request: Request): Promise<Task> {
    return (await this.#transport.json<{ task: Task }>(request)).task
  }
}
