/** Exchanges with the service whose answers are checked before anybody sees them. */
import type { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { SandboxDiff, SandboxState } from '../../internal/sandbox/port.ts'
import { diffAnswer, errorAnswer, type SandboxAnswer, sandboxAnswer } from './answers.ts'
import type { Exchange, Reply, Transport } from './transport.ts'

/** The real service cuts every answer at 30 s; a little more lets us see its own end of it. */
export const LONG_MS = 35_000
export const SHORT_MS = 10_000

export interface Calls {
  readonly transport: Transport
  /** @throws AppError SANDBOX_UNAVAILABLE or SANDBOX_OPERATION when no whole answer came */
  reply(exchange: Exchange): Promise<Reply>
  /** @throws AppError, also unless the status is the expected one */
  json<T>(exchange: Exchange, status: number, schema: z.ZodType<T>): Promise<T>
  state(id: string): Promise<SandboxState>
  diff(id: string): Promise<SandboxDiff>
}

export const sandboxPath = (id: string, operation = ''): string =>
  `api/v1/sandboxes/${encodeURIComponent(id)}${operation === '' ? '' : `/${operation}`}`

export function createCalls(transport: Transport): Calls {
  const reply = async (exchange: Exchange) => {
    const outcome = await transport(exchange)
    if (outcome.kind !== 'reply') throw outcome.error
    return outcome.reply
  }
  const json = async <T>(exchange: Exchange, status: number, schema: z.ZodType<T>): Promise<T> => {
    const answer = await reply(exchange)
    if (answer.status !== status) throw refused(exchange, answer)
    return readAnswer(exchange, answer, schema)
  }
  const state = async (id: string): Promise<SandboxState> => {
    const exchange = { method: 'GET', path: sandboxPath(id), timeoutMs: SHORT_MS } as const
    const answer = await reply(exchange)
    if (answer.status === 404) return 'gone'
    if (answer.status !== 200) throw refused(exchange, answer)
    return stateOf(readAnswer(exchange, answer, sandboxAnswer))
  }
  const diff = async (id: string): Promise<SandboxDiff> => {
    const exchange = { method: 'GET', path: sandboxPath(id, 'diff'), timeoutMs: LONG_MS } as const
    const answer = await json(exchange, 200, diffAnswer)
    const files = (answer.files ?? []).map((file) => ({
      id: file.id,
      path: file.filePath,
      changeType: file.changeType,
    }))
    return { files, text: answer.unifiedDiff ?? '' }
  }
  return { transport, reply, json, state, diff }
}

/** A sandbox still `creating` outside a create of ours was cut by a crash: nobody can work in it. */
function stateOf(answer: SandboxAnswer): SandboxState {
  if (answer.status === 'deleted') return 'gone'
  return answer.status === 'creating' ? 'error' : answer.status
}

export function readAnswer<T>(exchange: Exchange, reply: Reply, schema: z.ZodType<T>): T {
  const result = schema.safeParse(parseJson(reply.text))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const place = issue?.path.join('.') || 'the body'
  throw operationError(
    exchange,
    `an answer that is not understood (${place}: ${issue?.message ?? 'invalid'})`,
  )
}

/** The service's own sentence and the paths it names, where it sent them. */
export function readRefusal(reply: Reply): { readonly message: string; readonly paths: readonly string[] } {
  const body = errorAnswer.safeParse(parseJson(reply.text))
  if (!body.success) return { message: 'no message', paths: [] }
  return { message: body.data.error.slice(0, 2000), paths: body.data.details?.conflictingFiles ?? [] }
}

export function refused(exchange: Exchange, reply: Reply): AppError {
  const hint = reply.status === 401 ? '; the token does not match the one the service was started with' : ''
  return operationError(exchange, `${reply.status}: ${readRefusal(reply).message}${hint}`)
}

const operationError = (exchange: Exchange, what: string): AppError =>
  new AppError(
    'SANDBOX_OPERATION',
    `workspace-sandbox answered ${exchange.method} /${exchange.path} with ${what}`,
  )

/** undefined when it is not JSON: every schema refuses that. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // see above
  }
}
