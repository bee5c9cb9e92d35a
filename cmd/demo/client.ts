/** The public API as the demo uses it: the same REST and WebSocket that every client has. */
const REQUEST_TIMEOUT_MS = 120_000
const WATCH_TIMEOUT_MS = 150_000

export type Json = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A member of a JSON object, as an object. */
export const member = (value: unknown, name: string): Json => {
  const found = isObject(value) ? value[name] : undefined
  return isObject(found) ? found : {}
}

export const text = (value: unknown): string => (typeof value === 'string' ? value : '')

export class ApiClient {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  get(path: string): Promise<Json> {
    return this.#request('GET', path)
  }

  post(path: string, body: Json): Promise<Json> {
    return this.#request('POST', path, body)
  }

  async #request(method: string, path: string, body?: Json): Promise<Json> {
    const response = await fetch(`${this.#url}/api/v1${path}`, {
      method,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    if (!isObject(answer)) throw new Error(`${method} ${path}: the answer is no object`)
    if (!response.ok) throw new Error(`${method} ${path}: ${text(answer['code'])} ${text(answer['detail'])}`)
    return answer
  }

  /** Every event of a run from the first on, until `show` says it was the last one. */
  watch(runId: string, show: (event: Json) => boolean): Promise<void> {
    const socket = new WebSocket(`${this.#url.replace('http', 'ws')}/api/v1/ws`)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the run took too long')), WATCH_TIMEOUT_MS)
      const finish = (error?: Error) => {
        clearTimeout(timer)
        socket.close()
        if (error) reject(error)
        else resolve()
      }
      socket.onopen = () => socket.send(subscribe(runId))
      socket.onerror = () => finish(new Error('the WebSocket failed'))
      socket.onmessage = ({ data }) => {
        const message: unknown = JSON.parse(String(data))
        const event = member(message, 'run_event')
        if (isObject(message) && 'error' in message) finish(new Error(JSON.stringify(message['error'])))
        else if ('sequence' in event && show(event)) finish()
      }
    })
  }
}

const subscribe = (runId: string): string =>
  JSON.stringify({
    type: 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_SUBSCRIBE',
    run_subscription: { run_id: runId, after_sequence: 0 },
  })
