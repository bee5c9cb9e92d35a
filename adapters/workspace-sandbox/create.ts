/** Getting the sandbox of a key: new, or the one that was made before, alive and with its view in place. */
import { opendir } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../internal/errors.ts'
import type { Sandbox } from '../../internal/sandbox/port.ts'
import { type SandboxAnswer, sandboxAnswer } from './answers.ts'
import { type Calls, isUnknownSandbox, readAnswer, refused, sandboxPath } from './calls.ts'
import { started, survivesStart, withView } from './mount.ts'
import { readProjectBase } from './project-drift.ts'
import type { Exchange, Reply } from './transport.ts'

/** Keys tried when the sandboxes of earlier ones turn out dead. */
const MAX_KEYS = 4
const POLL_MS = 200

export interface CreateDeps {
  readonly calls: Calls
  readonly owner: string
  readonly trusted: boolean
  /** PATH for git. */
  readonly path: string
}

export interface CreateRequest {
  readonly key: string
  readonly owner: string
  readonly projectRoot: string
}

/** @throws AppError SANDBOX_UNAVAILABLE (nothing made) or SANDBOX_OPERATION, in at most two long deadlines */
export async function createSandbox(deps: CreateDeps, request: CreateRequest): Promise<Sandbox> {
  const deadline = performance.now() + 2 * deps.calls.limits.longMs
  let last: AppError | null = null
  for (let attempt = 1; attempt <= MAX_KEYS && performance.now() < deadline; attempt += 1) {
    const key = attempt === 1 ? request.key : `${request.key}~${attempt}`
    const exchange = await createExchange(deps, { ...request, key })
    const reply = await post(deps.calls, exchange, deadline)
    if (reply.status === 500) {
      last = refused(exchange, reply)
      continue
    }
    if (reply.status !== 201 && reply.status !== 200) throw refused(exchange, reply)
    const made = await settled(deps.calls, readAnswer(exchange, reply, sandboxAnswer))
    const alive = await revived(deps, made)
    if (alive !== null) return usable(deps, request.projectRoot, alive)
    last = new AppError(
      'SANDBOX_OPERATION',
      `workspace-sandbox keeps answering with a sandbox that is ${made.status}`,
    )
  }
  throw last ?? new AppError('SANDBOX_OPERATION', 'workspace-sandbox was too slow to make a sandbox')
}

/** The deny rule matches nothing: without one the real service takes every change for denied. */
async function createExchange(deps: CreateDeps, request: CreateRequest): Promise<Exchange> {
  // What the project was like is kept with the sandbox itself, so that it is there when its changes land.
  const base = deps.trusted ? {} : await readProjectBase(request.projectRoot, deps.path)
  const body = {
    projectRoot: request.projectRoot,
    scopePath: '',
    noLock: true,
    owner: deps.owner,
    ownerType: 'agent',
    metadata: { requestedBy: request.owner, ...base },
    idempotencyKey: request.key,
    behavior: { acceptance: { mode: 'allowlist', allow: {}, deny: { pathGlobs: ['**/.never'] } } },
  }
  const timeoutMs = deps.calls.limits.longMs
  return { method: 'POST', path: 'api/v1/sandboxes', body, timeoutMs }
}

/** Two creates of one key that meet make the real service answer one of them with 500: asked once more. */
async function post(calls: Calls, exchange: Exchange, deadline: number): Promise<Reply> {
  const within = () => ({ ...exchange, timeoutMs: Math.max(1, Math.min(exchange.timeoutMs, left(deadline))) })
  const first = await calls.reply(within())
  return first.status === 500 && left(deadline) > 0 ? calls.reply(within()) : first
}

const left = (deadline: number): number => Math.floor(deadline - performance.now())

/** Another request of ours, cut a moment ago, may still be making it. */
async function settled(calls: Calls, made: SandboxAnswer): Promise<SandboxAnswer> {
  const deadline = performance.now() + calls.limits.settleMs
  let now = made
  while (now.status === 'creating' && left(deadline) > 0) {
    await sleep(POLL_MS)
    // The real service cannot read a sandbox in the making and answers 500.
    now = (await calls.look(made.id).catch(() => null)) ?? now
  }
  return now
}

/** The sandbox, active and with its view; null when it is dead and of no use to anybody. */
async function revived(deps: CreateDeps, made: SandboxAnswer): Promise<SandboxAnswer | null> {
  // The answer to a create does not tell of the mount, and may be of a moment ago.
  const now = made.status === 'active' ? await deps.calls.look(made.id) : made
  if (now?.status === 'active') return withView(deps.calls, now)
  if (now?.status === 'stopped') {
    if (deps.trusted || survivesStart(now)) return started(deps.calls, made.id)
    throw new AppError(
      'SANDBOX_OPERATION',
      `sandbox ${made.id} was stopped, and starting it again would lose what it holds: workspace-sandbox runs with the copy driver`,
    )
  }
  // One that stays in the making cannot be deleted; the sweep finds it when it has become something.
  const isThere = now !== null && now.status !== 'creating' && now.status !== 'deleted'
  if (isThere) await forget(deps.calls, made.id)
  return null
}

/** The next key does not depend on it: what stays is found by the sweep. */
async function forget(calls: Calls, id: string): Promise<void> {
  await removeSandbox(calls, id).catch(() => undefined)
}

/** Idempotent. @throws AppError unless the sandbox is gone afterwards */
export async function removeSandbox(calls: Calls, id: string): Promise<void> {
  const exchange = { method: 'DELETE', path: sandboxPath(id), timeoutMs: calls.limits.longMs } as const
  const reply = await calls.reply(exchange)
  if (reply.status === 204 || reply.status === 200 || isUnknownSandbox(reply)) return
  throw refused(exchange, reply)
}

async function usable(deps: CreateDeps, projectRoot: string, answer: SandboxAnswer): Promise<Sandbox> {
  const mergedDir = answer.mergedDir ?? ''
  const unusable = (why: string): AppError =>
    new AppError('SANDBOX_OPERATION', `workspace-sandbox made a sandbox nobody can work in: ${why}`)
  if (!isAbsolute(mergedDir)) throw unusable(`its folder is "${mergedDir}"`)
  if (resolve(mergedDir) === resolve(projectRoot)) throw unusable('its folder is the project itself')
  // Mounts made in a user namespace of the service are an empty folder to everybody else.
  if (!deps.trusted && (await isEmpty(mergedDir)) && !(await isEmpty(projectRoot))) {
    throw unusable(`${mergedDir} shows nothing of the project here`)
  }
  return { id: answer.id, mergedDir, driver: answer.driver ?? 'unknown' }
}

/** A folder that is absent or cannot be read shows nothing either. */
async function isEmpty(folder: string): Promise<boolean> {
  const handle = await opendir(folder).catch(() => null)
  if (handle === null) return true
  try {
    return (await handle.read()) === null
  } finally {
    await handle.close()
  }
}
