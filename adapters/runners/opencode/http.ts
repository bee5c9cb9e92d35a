/** The HTTP side of a running `opencode serve`: every call has a deadline, every answer is checked. */
import { z } from 'zod'
import { permissionSchema, questionSchema, sessionSchema, storedMessageSchema } from './wire.ts'

const CALL_TIMEOUT_MS = 20_000
const MAX_ERROR_LENGTH = 500
const USER = 'opencode'

export interface OpencodeAddress {
  readonly url: string
  readonly password: string
  /** The working directory; one server could serve several. */
  readonly directory: string
}

/** opencode answered with a status that is none of the good ones. */
export class OpencodeHttpError extends Error {
  readonly status: number
  constructor(call: string, status: number, body: string) {
    super(`opencode answered ${status} to ${call}: ${body.slice(0, MAX_ERROR_LENGTH)}`)
    this.name = 'OpencodeHttpError'
    this.status = status
  }
}

export interface OpencodeClient {
  isHealthy(): Promise<boolean>
  /** The event stream from now on; `signal` ends it. */
  events(signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
  createSession(title: string): Promise<string>
  hasSession(id: string): Promise<boolean>
  /** Returns when the prompt is accepted. */
  prompt(
    sessionId: string,
    text: string,
    model: { readonly providerID: string; readonly modelID: string },
  ): Promise<void>
  abort(sessionId: string): Promise<void>
  /** The session is not in the list of those at work. */
  isIdle(sessionId: string): Promise<boolean>
  messages(sessionId: string): Promise<z.infer<typeof storedMessageSchema>[]>
  openPermissions(): Promise<z.infer<typeof permissionSchema>[]>
  openQuestions(): Promise<z.infer<typeof questionSchema>[]>
  replyPermission(
    id: string,
    reply: { readonly reply: 'once' | 'reject'; readonly message?: string },
  ): Promise<void>
  /** One list of answers per question. */
  replyQuestion(id: string, answers: readonly (readonly string[])[]): Promise<void>
}

export function createOpencodeClient(address: OpencodeAddress): OpencodeClient {
  const headers = {
    authorization: `Basic ${Buffer.from(`${USER}:${address.password}`).toString('base64')}`,
    'x-opencode-directory': encodeURIComponent(address.directory),
    'content-type': 'application/json',
  }
  const call = async (method: 'GET' | 'POST', path: string, body?: unknown): Promise<string> => {
    const response = await fetch(`${address.url}${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new OpencodeHttpError(`${method} ${path}`, response.status, text)
    return text
  }
  const read = async <T>(schema: z.ZodType<T>, path: string): Promise<T> =>
    schema.parse(JSON.parse(await call('GET', path)))
  const post = async (path: string, body?: unknown): Promise<void> => {
    await call('POST', path, body)
  }

  return {
    isHealthy: () => readHealth(call),
    async events(signal) {
      const response = await fetch(`${address.url}/event`, { headers, signal })
      if (!response.ok || response.body === null)
        throw new OpencodeHttpError('GET /event', response.status, await response.text())
      return response.body
    },
    async createSession(title) {
      return sessionSchema.parse(JSON.parse(await call('POST', '/session', { title }))).id
    },
    hasSession: (id) => exists(call, id),
    prompt: (id, text, model) =>
      post(`/session/${id}/prompt_async`, { parts: [{ type: 'text', text }], model }),
    abort: (id) => post(`/session/${id}/abort`),
    async isIdle(id) {
      return !Object.hasOwn(await read(z.record(z.string(), z.unknown()), '/session/status'), id)
    },
    messages: (id) => read(z.array(storedMessageSchema), `/session/${id}/message`),
    openPermissions: () => read(z.array(permissionSchema), '/permission'),
    openQuestions: () => read(z.array(questionSchema), '/question'),
    replyPermission: (id, reply) => post(`/permission/${id}/reply`, reply),
    replyQuestion: (id, answers) => post(`/question/${id}/reply`, { answers }),
  }
}

type Call = (method: 'GET' | 'POST', path: string) => Promise<string>

async function readHealth(call: Call): Promise<boolean> {
  const health: unknown = JSON.parse(await call('GET', '/global/health'))
  return z.looseObject({ healthy: z.literal(true) }).safeParse(health).success
}

/** Ids come from us or from opencode, but a stored one is checked before it becomes part of a path. */
async function exists(call: Call, id: string): Promise<boolean> {
  if (!/^ses_[A-Za-z0-9]+$/.test(id)) return false
  try {
    await call('GET', `/session/${id}`)
    return true
  } catch (error) {
    if (error instanceof OpencodeHttpError && (error.status === 404 || error.status === 400)) return false
    throw error
  }
}
