/** Exchanges with the service whose answers are checked before anybody sees them. */
import type { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { SandboxDiff, SandboxState } from '../../internal/sandbox/port.ts'
import { diffAnswer, errorAnswer, type SandboxAnswer, sandboxAnswer } from './answers.ts'
import { type Exchange, MAX_BODY_BYTES, type Reply, type Transport } from './transport.ts'

export interface Limits {
  /** For what the service answers from its own memory. */
  readonly shortMs: number
  /** The real service cuts every answer at 30 s; a little more lets us see its own end of it. */
  readonly longMs: number
  /** After a cut the service works on to its end: how long it is watched before we give a verdict. */
  readonly settleMs: number
  readonly maxBodyBytes: number
}

export const LIMITS: Limits = {
  shortMs: 10_000,
  longMs: 35_000,
  settleMs: 10_000,
  maxBodyBytes: MAX_BODY_BYTES,
}

export interface Calls {
  readonly transport: Transport
  readonly limits: Limits
  /**
   * Only for what is done once however often it is asked: after a broken connection it is sent a second time.
   * @throws AppError SANDBOX_UNAVAILABLE or SANDBOX_OPERATION when no whole answer came
   */
  reply(exchange: Exchange): Promise<Reply>
  /** @throws AppError, also unless the status is the expected one */
  json<T>(exchange: Exchange, status: number, schema: z.ZodType<T>): Promise<T>
  /** The sandbox as the service knows it; null where it knows none of that id, or a deleted one without a word. */
  look(id: string): Promise<SandboxAnswer | null>
  state(id: string): Promise<SandboxState>
  diff(id: string): Promise<SandboxDiff>
}

export const sandboxPath = (id: string, operation = ''): string =>
  `api/v1/sandboxes/${encodeURIComponent(id)}${operation === '' ? '' : `/${operation}`}`

export function createCalls(transport: Transport, limits: Limits): Calls {
  const reply = async (exchange: Exchange) => {
    const outcome = await sendTwice(transport, exchange)
    if (outcome.kind !== 'reply') throw outcome.error
    return outcome.reply
  }
  const json = async <T>(exchange: Exchange, status: number, schema: z.ZodType<T>): Promise<T> => {
    const answer = await reply(exchange)
    if (answer.status !== status) throw refused(exchange, answer)
    return readAnswer(exchange, answer, schema)
  }
  const look = async (id: string): Promise<SandboxAnswer | null> => {
    const exchange = { method: 'GET', path: sandboxPath(id), timeoutMs: limits.shortMs } as const
    const answer = await reply(exchange)
    if (isUnknownSandbox(answer)) return null
    if (answer.status !== 200) throw refused(exchange, answer)
    return readAnswer(exchange, answer, sandboxAnswer)
  }
  const diff = async (id: string): Promise<SandboxDiff> => {
    const exchange = { method: 'GET', path: sandboxPath(id, 'diff'), timeoutMs: limits.longMs } as const
    const answer = await json(exchange, 200, diffAnswer)
    const files = (answer.files ?? []).map((file) => ({
      id: file.id,
      path: file.filePath,
      changeType: file.changeType,
    }))
    return { files, text: answer.unifiedDiff ?? '' }
  }
  return { transport, limits, reply, json, look, state: async (id) => stateOf(await look(id)), diff }
}

/** Once more after a broken connection, within the one deadline. */
async function sendTwice(transport: Transport, exchange: Exchange): ReturnType<Transport> {
  const startedAt = performance.now()
  const first = await transport(exchange)
  const leftMs = Math.floor(exchange.timeoutMs - (performance.now() - startedAt))
  if (first.kind !== 'lost' || !first.broke || leftMs <= 0) return first
  return transport({ ...exchange, timeoutMs: leftMs })
}

/** A sandbox still `creating` outside a create of ours was cut by a crash: nobody can work in it. */
function stateOf(answer: SandboxAnswer | null): SandboxState {
  if (answer === null || answer.status === 'deleted') return 'gone'
  return answer.status === 'creating' ? 'error' : answer.status
}

/** A 404 of the service itself. One in plain words is of a wrong address: it says nothing about a sandbox. */
export const isUnknownSandbox = (reply: Reply): boolean =>
  reply.status === 404 && errorAnswer.safeParse(parseJson(reply.text)).success

export function readAnswer<T>(exchange: Exchange, reply: Reply, schema: z.ZodType<T>): T {
  const result = schema.safeParse(parseJson(reply.text))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const place = issue?.path.join('.') || 'the body'
  const what = `an answer that is not understood (${place}: ${issue?.message ?? 'invalid'})`
  throw new AppError('SANDBOX_OPERATION', sentence(exchange, what))
}

/** The service's own sentence and the paths it names, where it sent them. */
export function readRefusal(reply: Reply): { readonly message: string; readonly paths: readonly string[] } {
  const body = errorAnswer.safeParse(parseJson(reply.text))
  if (!body.success) return { message: 'no answer of a workspace-sandbox', paths: [] }
  const { error, details } = body.data
  const others = (details?.conflicts ?? []).map((each) => each.sandboxId)
  const beside = others.length === 0 ? '' : ` (held by sandbox ${others.join(', ')})`
  return { message: `${error.slice(0, 2000)}${beside}`, paths: details?.conflictingFiles ?? [] }
}

/** 503 is the service saying that it cannot work now: nothing was done. */
export function refused(exchange: Exchange, reply: Reply): AppError {
  const hint = reply.status === 401 ? '; the token does not match the one the service was started with' : ''
  const detail = sentence(exchange, `${reply.status}: ${readRefusal(reply).message}${hint}`)
  return new AppError(reply.status === 503 ? 'SANDBOX_UNAVAILABLE' : 'SANDBOX_OPERATION', detail)
}

const sentence = (exchange: Exchange, what: string): string =>
  `workspace-sandbox answered ${exchange.method} /${exchange.path} with ${what}`

/** undefined when it is not JSON: every schema refuses that. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // see above
  }
}
