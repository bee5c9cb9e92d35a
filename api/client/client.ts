/** The client: one member a noun, one method a route. */
import { HealthReports } from './health.ts'
import { Interactions } from './interactions.ts'
import { RETRY, type RetryLimits } from './limits.ts'
import { socketUrl } from './path.ts'
import { Profiles } from './profiles.ts'
import { Runners } from './runners.ts'
import { Runs } from './runs.ts'
import { Tasks } from './tasks.ts'
import { Tools } from './tools.ts'
import { Transport } from './transport.ts'
import { TIMING, type Timing, type WebSocketClass } from './watch/connection.ts'

export interface ClientOptions {
  /** Where the service listens, for example `http://127.0.0.1:8080`. */
  readonly baseUrl: string
  /** Sent as a bearer token, and as the first frame of a WebSocket. */
  readonly token?: string | undefined
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Default: the platform's. null: watches go by long poll. */
  readonly WebSocket?: WebSocketClass | null | undefined
  readonly retry?: Partial<RetryLimits> | undefined
  /** When a quiet or half-open WebSocket is given up. */
  readonly timing?: Partial<Timing> | undefined
}

export interface Client {
  readonly baseUrl: string
  readonly profiles: Profiles
  readonly tasks: Tasks
  readonly runs: Runs
  readonly interactions: Interactions
  readonly runners: Runners
  readonly tools: Tools
  readonly health: HealthReports
}

/** Throws TypeError for an address that is none. It opens nothing by itself. */
export function createClient(options: ClientOptions): Client {
  const baseUrl = addressOf(options.baseUrl)
  const token = options.token ?? null
  const transport = new Transport({
    baseUrl,
    token,
    // Called as a function of its own: browsers refuse a fetch that was taken off its window.
    fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
    retry: { ...RETRY, ...options.retry },
  })
  const WebSocket = options.WebSocket === undefined ? globalThis.WebSocket : options.WebSocket
  const url = `${socketUrl(baseUrl)}/api/v1/ws`
  const live = WebSocket ? { WebSocket, url, token, timing: { ...TIMING, ...options.timing } } : null
  return {
    baseUrl,
    profiles: new Profiles(transport),
    tasks: new Tasks(transport),
    runs: new Runs({ transport, live }),
    interactions: new Interactions(transport),
    runners: new Runners(transport),
    tools: new Tools(transport),
    health: new HealthReports(transport),
  }
}

function addressOf(text: string): string {
  if (!URL.canParse(text)) throw new TypeError(`baseUrl ${JSON.stringify(text)} is no URL`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`baseUrl must begin with http:// or https://`)
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}
