/**
 * The workspace-sandbox client: survives the faults of the real service and of a network (its contract, section
 * 14). It never takes a 200 for a success without reading it, and after a lost answer it looks before it acts.
 */
import { isAbsolute } from 'node:path'
import { AppError } from '../../internal/errors.ts'
import type { Sandbox, SandboxService } from '../../internal/sandbox/port.ts'
import { healthAnswer, type SandboxAnswer, sandboxAnswer } from './answers.ts'
import { applyAll } from './apply-all.ts'
import {
  type Calls,
  createCalls,
  LONG_MS,
  parseJson,
  readAnswer,
  refused,
  SHORT_MS,
  sandboxPath,
} from './calls.ts'
import { createTransport } from './transport.ts'

/** Keys tried when sandboxes of earlier ones turn out dead. */
const MAX_KEYS = 4

export interface SandboxClientOptions {
  /** Read at every call: an embedded service gets a new port when it restarts. */
  readonly baseUrl: () => string
  readonly token: () => string | null
  /** Who the sandboxes belong to in the service's eyes, for sweeping what was left behind. */
  readonly owner: string
}

export function createSandboxClient(options: SandboxClientOptions): SandboxService {
  const calls = createCalls(createTransport(options))
  return {
    get url() {
      return options.baseUrl()
    },
    health: () => health(calls),
    create: (request) => create(calls, options.owner, request),
    state: calls.state,
    stop: (id) => stop(calls, id),
    diff: calls.diff,
    applyAll: (id, request) => applyAll(calls, id, request),
    reject: (id, actor) => reject(calls, id, actor),
    delete: (id) => remove(calls, id),
  }
}

async function health(calls: Calls): Promise<{ ok: boolean; message: string }> {
  const outcome = await calls.transport({ method: 'GET', path: 'health', timeoutMs: SHORT_MS })
  if (outcome.kind !== 'reply') return { ok: false, message: outcome.error.message }
  const { status, text } = outcome.reply
  const body = healthAnswer.safeParse(parseJson(text))
  const ok = status === 200 && body.success && body.data.readiness !== false
  const told = body.success ? (body.data.status ?? 'no status') : 'not a health answer'
  return { ok, message: ok ? told : `${status}: ${told}` }
}

async function create(
  calls: Calls,
  owner: string,
  request: { readonly key: string; readonly owner: string; readonly projectRoot: string },
): Promise<Sandbox> {
  let status = ''
  for (let attempt = 1; attempt <= MAX_KEYS; attempt += 1) {
    const key = attempt === 1 ? request.key : `${request.key}~${attempt}`
    const made = await postCreate(calls, owner, { ...request, key })
    if (made.status === 'stopped') {
      const exchange = { method: 'POST', path: sandboxPath(made.id, 'start'), timeoutMs: SHORT_MS } as const
      return usable(await calls.json(exchange, 200, sandboxAnswer))
    }
    if (made.status === 'active') return usable(made)
    // The key was answered with a sandbox of the past: it is dead and of no use to anybody.
    status = made.status
    await remove(calls, made.id)
  }
  throw new AppError(
    'SANDBOX_OPERATION',
    `workspace-sandbox keeps answering with a sandbox that is ${status}`,
  )
}

/** The deny rule matches nothing: without one the real service takes every change for denied. */
async function postCreate(
  calls: Calls,
  owner: string,
  request: { readonly key: string; readonly owner: string; readonly projectRoot: string },
): Promise<SandboxAnswer> {
  const body = {
    projectRoot: request.projectRoot,
    scopePath: '',
    noLock: true,
    owner,
    ownerType: 'agent',
    metadata: { requestedBy: request.owner },
    idempotencyKey: request.key,
    behavior: { acceptance: { mode: 'allowlist', allow: {}, deny: { pathGlobs: ['**/.never'] } } },
  }
  const exchange = { method: 'POST', path: 'api/v1/sandboxes', body, timeoutMs: LONG_MS } as const
  const first = await calls.reply(exchange)
  // Two creates of one key that meet make the real service answer one of them with 500.
  const reply = first.status === 500 ? await calls.reply(exchange) : first
  if (reply.status !== 201 && reply.status !== 200) throw refused(exchange, reply)
  return readAnswer(exchange, reply, sandboxAnswer)
}

function usable(answer: SandboxAnswer): Sandbox {
  const mergedDir = answer.mergedDir ?? ''
  if (answer.status !== 'active' || !isAbsolute(mergedDir)) {
    const what = `is ${answer.status} with the folder "${mergedDir}"`
    throw new AppError('SANDBOX_OPERATION', `workspace-sandbox made a sandbox nobody can work in: it ${what}`)
  }
  return { id: answer.id, mergedDir, driver: answer.driver ?? 'unknown' }
}

async function stop(calls: Calls, id: string): Promise<void> {
  const exchange = { method: 'POST', path: sandboxPath(id, 'stop'), timeoutMs: SHORT_MS } as const
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
    timeoutMs: SHORT_MS,
  } as const
  const reply = await calls.reply(exchange)
  if (reply.status === 200) return
  if (reply.status === 404 || reply.status === 409) {
    const state = await calls.state(id)
    if (state === 'rejected' || state === 'gone') return
  }
  throw refused(exchange, reply)
}

async function remove(calls: Calls, id: string): Promise<void> {
  const exchange = { method: 'DELETE', path: sandboxPath(id), timeoutMs: LONG_MS } as const
  const reply = await calls.reply(exchange)
  if (reply.status !== 204 && reply.status !== 200 && reply.status !== 404) throw refused(exchange, reply)
}
