/**
 * What ecosystem-manager sends and reads: protobuf's JSON both ways (lowerCamelCase, nothing that is unset), unknown
 * members of answers passed over, errors by their `error` or `message`.
 */
import { type Json, until } from '../support/client.ts'
import { agentManager } from './wire/agent-manager.ts'

export interface Settings {
  readonly runnerType: 'RUNNER_TYPE_CLAUDE_CODE' | 'RUNNER_TYPE_OPENCODE'
  readonly maxTurns: number
  readonly timeoutSeconds: number
  readonly allowedTools: readonly string[]
  readonly skipPermissions: boolean
}

export const TASK_SETTINGS = {
  maxTurns: 60,
  timeoutSeconds: 1800,
  allowedTools: ['Read', 'Write', 'Edit', 'Bash', 'LS', 'Glob', 'Grep'],
  skipPermissions: true,
} as const

export const INSIGHT_SETTINGS = {
  maxTurns: 20,
  timeoutSeconds: 300,
  allowedTools: ['Read', 'Glob', 'Grep', 'Bash'],
  skipPermissions: true,
} as const

export const profileOf = (key: string, settings: Settings): Json => ({
  name: key,
  profileKey: key,
  description: `Agent profile of ${key}`,
  runnerType: settings.runnerType,
  maxTurns: settings.maxTurns,
  timeout: `${settings.timeoutSeconds}s`,
  allowedTools: settings.allowedTools,
  skipPermissionPrompt: settings.skipPermissions,
  createdBy: 'ecosystem-manager',
})

export class EcosystemManager {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  async isAvailable(): Promise<boolean> {
    return (await this.#send('GET', '/health')).status === 200
  }

  async ensureProfile(key: string, settings: Settings): Promise<Json> {
    const request = { profileKey: key, defaults: profileOf(key, settings) }
    const body = agentManager.decode('EnsureProfileRequest', request, 'refuse')
    return this.#read('EnsureProfileResponse', await this.#send('POST', '/api/v1/profiles/ensure', body))
  }

  /** The profile carries its id, the request does not. */
  async updateProfile(id: string, key: string, settings: Settings): Promise<Json> {
    const request = { profile: { id, ...profileOf(key, settings) } }
    const body = agentManager.decode('UpdateProfileRequest', request, 'refuse')
    return this.#read('UpdateProfileResponse', await this.#send('PUT', `/api/v1/profiles/${id}`, body))
  }

  /** Task and run of one piece of work: in the project itself, past every queue, under a tag that is used again. */
  async start(work: {
    readonly root: string
    readonly tag: string
    readonly prompt: string
    readonly profileKey: string
    readonly settings: Settings
    readonly timeoutSeconds?: number
  }): Promise<string> {
    const { root } = work
    const task = { title: work.prompt, description: 'Ecosystem task', scopePath: root, projectRoot: root }
    const taskBody = agentManager.decode(
      'CreateTaskRequest',
      { task: { ...task, createdBy: 'ecosystem-manager' } },
      'refuse',
    )
    const created = await this.#read(
      'CreateTaskResponse',
      await this.#send('POST', '/api/v1/tasks', taskBody),
    )
    const runBody = agentManager.decode(
      'CreateRunRequest',
      {
        taskId: created['task'].id,
        profileRef: { profileKey: work.profileKey, defaults: profileOf(work.profileKey, work.settings) },
        tag: work.tag,
        runMode: 'RUN_MODE_IN_PLACE',
        force: true,
        prompt: work.prompt,
        inlineConfig: { timeout: `${work.timeoutSeconds ?? 1800}s` },
      },
      'refuse',
    )
    const run = await this.#read('CreateRunResponse', await this.#send('POST', '/api/v1/runs', runBody))
    return run['run'].id
  }

  /** null: there is no such run. */
  async getRun(id: string): Promise<Json | null> {
    const answer = await this.#send('GET', `/api/v1/runs/${id}`)
    if (answer.status === 404) return null
    return (await this.#read('GetRunResponse', answer))['run']
  }

  async getEvents(id: string, afterSequence: number): Promise<Json[]> {
    const query = afterSequence > 0 ? `?after_sequence=${afterSequence}` : ''
    const answer = await this.#send('GET', `/api/v1/runs/${id}/events${query}`)
    return (await this.#read('GetRunEventsResponse', answer))['events'] ?? []
  }

  /** Throws what the service says, unless it answers 200. */
  async stop(id: string): Promise<void> {
    const answer = await this.#send('POST', `/api/v1/runs/${id}/stop`)
    if (answer.status !== 200) throw new Error(await errorOf(answer))
  }

  /** Both loops of an execution, side by side, until the run is over; events are read once more after that. */
  async follow(id: string): Promise<{ run: Json; events: readonly Json[] }> {
    const events: Json[] = []
    const poll = async (): Promise<void> => {
      const last = events.at(-1)
      events.push(...(await this.getEvents(id, Number(last?.['sequence'] ?? 0))))
    }
    const run = await until(
      `the end of run ${id}`,
      async () => {
        const [now] = await Promise.all([this.getRun(id), poll()])
        if (now === null) throw new Error(`run ${id} not found`)
        return now
      },
      (now) => ['RUN_STATUS_COMPLETE', 'RUN_STATUS_FAILED', 'RUN_STATUS_CANCELLED'].includes(now['status']),
    )
    await poll()
    return { run, events }
  }

  #send(method: string, path: string, body?: Json): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    })
  }

  async #read(message: string, answer: Response): Promise<Json> {
    if (answer.status !== 200 && answer.status !== 201) throw new Error(await errorOf(answer))
    return agentManager.decode(message, await answer.json(), 'ignore')
  }
}

async function errorOf(answer: Response): Promise<string> {
  const { error, message }: Json = JSON.parse(await answer.text())
  return `agent-manager error: ${error || message || `status ${answer.status}`}`
}

/** What it makes of a run that is over. */
export function resultOf(run: Json): Json {
  const error = String(run['errorMsg'] ?? '').toLowerCase()
  const seconds = (Date.parse(run['endedAt']) - Date.parse(run['startedAt'])) / 1000
  return {
    success: run['status'] === 'RUN_STATUS_COMPLETE',
    output: run['summary']?.description ?? '',
    tokensUsed: run['summary']?.tokensUsed ?? 0,
    errorMessage: run['errorMsg'] ?? '',
    rateLimited: error.includes('rate limit') || error.includes('429'),
    timeout: error.includes('timeout'),
    maxTurnsExceeded: error.includes('max_turns') || error.includes('max turns'),
    durationSeconds: seconds,
  }
}

/** What it makes of events: the text of a log that people read, and what it broadcasts. */
export function outputOf(events: readonly Json[]): { text: string; broadcast: readonly string[] } {
  const text: string[] = []
  const broadcast: string[] = []
  for (const event of events) {
    switch (event['eventType']) {
      case 'RUN_EVENT_TYPE_LOG':
        text.push(event['log'].message)
        break
      case 'RUN_EVENT_TYPE_MESSAGE':
        text.push(event['message'].content)
        break
      case 'RUN_EVENT_TYPE_TOOL_CALL':
        broadcast.push(`tool ${event['toolCall'].toolName}`)
        break
      case 'RUN_EVENT_TYPE_TOOL_RESULT':
        if (!event['toolResult'].success) broadcast.push(`failed ${event['toolResult'].error}`)
        break
      case 'RUN_EVENT_TYPE_ERROR':
        broadcast.push(`error ${event['error']?.message ?? event['rateLimit']?.message}`)
        break
      case 'RUN_EVENT_TYPE_STATUS':
        if (event['status'])
          broadcast.push(`${event['status'].oldStatus ?? ''} -> ${event['status'].newStatus}`)
        break
    }
  }
  return { text: text.join('\n'), broadcast }
}
