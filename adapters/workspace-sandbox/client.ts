/**
 * The workspace-sandbox client: survives the faults of the real service and of a network (its contract, section
 * 14). It never takes a 200 for a success without reading it, and after a lost answer it looks before it acts.
 */
import type { SandboxService } from '../../internal/sandbox/port.ts'
import { healthAnswer } from './answers.ts'
import { applyAll } from './apply-all.ts'
import { type Calls, createCalls, LIMITS, type Limits, parseJson, refused, sandboxPath } from './calls.ts'
import { createSandbox, removeSandbox } from './create.ts'
import { listOwned } from './list-owned.ts'
import { survivesStart } from './mount.ts'
import { createTransport } from './transport.ts'

/** Many runs that are admitted at once ask one question. */
const HEALTH_MS = 2_000

export interface SandboxClientOptions {
  /** Read at every call: an embedded service gets a new port when it restarts. */
  readonly baseUrl: () => string
  readonly token: () => string | null
  /** Who the sandboxes belong to in the service's eyes, for sweeping what was left behind. */
  readonly owner: string
  /**
   * The service ships with us and has none of the real one's faults (contract, section 0): it lands binaries,
   * links and modes, sees drift itself, and stops and starts without loss. Known by wiring only, never by what
   * the service says of itself. Default false.
   */
  readonly trusted?: boolean
  /** PATH for git. */
  readonly path?: string
  /** Shorter deadlines, for tests. */
  readonly limits?: Partial<Limits>
}

export function createSandboxClient(options: SandboxClientOptions): SandboxService {
  const limits = { ...LIMITS, ...options.limits }
  const calls = createCalls(createTransport({ ...options, maxBodyBytes: limits.maxBodyBytes }), limits)
  const trusted = options.trusted ?? false
  const deps = { calls, trusted, owner: options.owner, path: options.path ?? '/usr/local/bin:/usr/bin:/bin' }
  const lately = remembered(() => health(calls, limits.shortMs), HEALTH_MS)
  return {
    get url() {
      return options.baseUrl()
    },
    health: (deadlineMs) => (deadlineMs === undefined ? lately() : health(calls, deadlineMs)),
    create: (request) => createSandbox(deps, request),
    state: calls.state,
    stop: (id) => stop(calls, id, trusted),
    diff: calls.diff,
    applyAll: (id, request) => applyAll(deps, id, request),
    reject: (id, actor) => reject(calls, id, actor),
    delete: (id) => removeSandbox(calls, id),
    listOwned: () => listOwned(calls, options.owner),
  }
}

/** One question at a time, its answer good for a while. */
function remembered<T>(ask: () => Promise<T>, forMs: number): () => Promise<T> {
  let answer: Promise<T> | null = null
  let answeredAt = Number.POSITIVE_INFINITY
  return () => {
    if (answer === null || performance.now() - answeredAt >= forMs) {
      answeredAt = Number.POSITIVE_INFINITY
      answer = ask().finally(() => {
        answeredAt = performance.now()
      })
    }
    return answer
  }
}

async function health(calls: Calls, timeoutMs: number): Promise<{ ok: boolean; message: string }> {
  const outcome = await calls.transport({ method: 'GET', path: 'health', timeoutMs })
  if (outcome.kind !== 'reply') return { ok: false, message: outcome.error.message }
  const { status, text } = outcome.reply
  const body = healthAnswer.safeParse(parseJson(text))
  const ok = status === 200 && body.success && body.data.readiness !== false
  const told = body.success ? (body.data.status ?? 'no status') : 'not a health answer'
  return { ok, message: ok ? told : `${status}: ${told}` }
}

async function stop(calls: Calls, id: string, trusted: boolean): Promise<void> {
  if (!trusted) {
    const now = await calls.look(id)
    // The next start would copy the project over the changes.
    if (now === null || now.status !== 'active' || !survivesStart(now)) return
  }
  const exchange = {
    method: 'POST',
    path: sandboxPath(id, 'stop'),
    timeoutMs: calls.limits.shortMs,
  } as const
  const reply = await calls.reply(exchange)
  if (reply.status === 200) return
  // Decided or deleted by somebody else: no longer active is what was asked for.
  if ((reply.status === 404 || reply.status === 409) && (await calls.state(id)) !== 'active') return
  throw refused(exchange, reply)
}

async function reject(calls: Calls, id: string, actor: string): Promise<void> {
  const exchange = {
    method: 'POST',
    path: sandboxPath(id, 'reject'),
    body: { actor },
    timeoutMs: calls.limits.shortMs,
  } as const
  const reply = await calls.reply(exchange)
  if (reply.status === 200) return
  if (reply.status === 404 || reply.status === 409) {
    const state = await calls.state(id)
    if (state === 'rejected' || state === 'gone') return
  }
  throw refused(exchange, reply)
}
