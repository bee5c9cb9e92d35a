/** A client of the public API for tests: plain fetch and the platform's WebSocket. */
export type Json = Record<string, any>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Json
}

export async function call(url: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
    signal: AbortSignal.timeout(60_000),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

/** Asks until the answer is as wanted. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  isDone: (value: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const end = performance.now() + timeoutMs
  for (;;) {
    const value = await ask()
    if (isDone(value)) return value
    if (performance.now() > end)
      throw new Error(`${what} did not come about: ${JSON.stringify(value).slice(0, 2000)}`)
    await new Promise((resolve) => setTimeout(resolve, 50)) // the condition decides, with a deadline
  }
}

export const FINISHED = [
  'RUN_STATUS_NEEDS_REVIEW',
  'RUN_STATUS_COMPLETE',
  'RUN_STATUS_FAILED',
  'RUN_STATUS_CANCELLED',
]

export const runOf = async (url: string, id: string): Promise<Json> =>
  (await call(url, 'GET', `/api/v1/runs/${id}`)).body['run']

export const untilRun = (
  url: string,
  id: string,
  isDone: (run: Json) => boolean,
  timeoutMs?: number,
): Promise<Json> => until(`run ${id}`, () => runOf(url, id), isDone, timeoutMs)

export const eventsOf = async (url: string, id: string): Promise<Json[]> =>
  (await call(url, 'GET', `/api/v1/runs/${id}/events?limit=5000`)).body['events']

/** Profile, task and run in one go. */
export async function createRun(
  url: string,
  projectRoot: string,
  more: { profile?: Json; run?: Json; task?: Json } = {},
): Promise<{ id: string; taskId: string }> {
  const profile = await call(url, 'POST', '/api/v1/profiles/ensure', {
    profile_key: `key-${Math.floor(performance.now() * 1000)}`,
    defaults: { runner_type: 'opencode', timeout: '120s', ...more.profile },
  })
  const task = await call(url, 'POST', '/api/v1/tasks', {
    task: { title: 'A task', description: 'Do it', scope_path: '.', project_root: projectRoot, ...more.task },
  })
  const run = await call(url, 'POST', '/api/v1/runs', {
    task_id: task.body['task'].id,
    agent_profile_id: profile.body['profile'].id,
    ...more.run,
  })
  if (run.status !== 201) throw new Error(`run refused: ${JSON.stringify(run.body)}`)
  return { id: run.body['run'].id, taskId: task.body['task'].id }
}

export interface Watch {
  readonly frames: Json[]
  /** The events received so far. */
  events(): Json[]
  close(): void
  readonly closed: Promise<{ code: number; reason: string }>
}

/** Subscribes to one run from a cursor. */
export async function watchRun(
  url: string,
  runId: string,
  afterSequence: number,
  more: Json = {},
): Promise<Watch> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws`)
  const frames: Json[] = []
  socket.onmessage = ({ data }) => void frames.push(JSON.parse(String(data)))
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason })
  })
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error('the WebSocket does not open'))
  })
  socket.send(
    JSON.stringify({
      type: 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_SUBSCRIBE',
      run_subscription: { run_id: runId, after_sequence: afterSequence, ...more },
    }),
  )
  return {
    frames,
    events: () => frames.flatMap((frame) => ('run_event' in frame ? [frame['run_event']] : [])),
    close: () => socket.close(),
    closed,
  }
}
