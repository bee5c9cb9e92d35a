/** The scripted model's HTTP server: loopback only, answers three dialects out of one scenario. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { anthropic } from './anthropic.ts'
import type { Dialect, ModelReply, ModelRequest } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'
import { type Scenario, type Step, stepAt, stepWithoutTools } from './scenario.ts'
import { type CliToolCall, translate } from './tools.ts'

const MAX_BODY_BYTES = 32 * 1024 * 1024
const REQUEST_TIMEOUT_MS = 30_000
/** The longest that `hang` and slow scripts may hold a connection. */
const ANSWER_TIMEOUT_MS = 15 * 60_000

/** What a test may want to know about a request that was answered. */
export interface ScriptedCall {
  readonly path: string
  readonly authorization: string | null
  readonly model: string
  readonly tools: readonly string[]
  /** Index of the step, or null for a request without tools. */
  readonly step: number | null
  /** The text that the model was told last. */
  readonly said: string
}

export interface ScriptedModel {
  /** `http://127.0.0.1:PORT`; OpenAI clients append `/v1`. */
  readonly url: string
  /** Ends open answers and the server. */
  close(): Promise<void>
}

/**
 * Starts a scripted model on 127.0.0.1.
 * @param options.port 0 picks a free one
 * @param options.onCall told of every model request, before it is answered
 */
export async function startScriptedModel(options: {
  readonly scenario: Scenario
  readonly port?: number
  readonly onCall?: (call: ScriptedCall) => void
}): Promise<ScriptedModel> {
  const stopped = new AbortController()
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(request, response, options, stopped.signal).catch((error: unknown) => fail(response, 400, error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        stopped.abort()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const dialectOf = (path: string): Dialect | null => {
  if (path.endsWith('/chat/completions')) return openaiChat
  if (path.endsWith('/v1/messages')) return anthropic
  return path.endsWith('/responses') ? openaiResponses : null
}

type Options = Parameters<typeof startScriptedModel>[0]

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: Options,
  stopped: AbortSignal,
): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname
  if (request.method === 'GET' && path.endsWith('/models'))
    return send(response, 200, { object: 'list', data: [{ id: 'scripted', object: 'model' }] })
  if (request.method !== 'POST') return send(response, 404, { error: { message: `no route ${path}` } })
  const body = await readJson(request)
  if (path.endsWith('/count_tokens')) return send(response, 200, { input_tokens: 600 })
  const dialect = dialectOf(path)
  if (dialect === null) return send(response, 404, { error: { message: `no route ${path}` } })

  const asked = dialect.parse(body)
  const offersNoTools = asked.tools.length === 0
  options.onCall?.({
    path,
    authorization: request.headers.authorization ?? request.headers['x-api-key']?.toString() ?? null,
    model: asked.model,
    tools: asked.tools.map((tool) => tool.name),
    step: offersNoTools ? null : asked.spoken,
    said: asked.said,
  })
  const step = offersNoTools ? stepWithoutTools(options.scenario) : stepAt(options.scenario, asked.spoken)
  await play(step, asked, dialect, response, stopped)
}

async function play(
  step: Step,
  asked: ModelRequest,
  dialect: Dialect,
  response: ServerResponse,
  stopped: AbortSignal,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, stopped, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
  if (step.hang) return waitFor(signal)
  if (step.error !== undefined) {
    if (step.error.retry_after !== undefined)
      response.setHeader('retry-after', String(step.error.retry_after))
    for (const [name, value] of Object.entries(step.error.headers)) response.setHeader(name, value)
    return send(response, step.error.status, step.error.body ?? dialect.error(step.error))
  }
  const reply = replyOf(step, asked)
  if (!asked.stream) return step.cut ? dropHalf(response) : send(response, 200, dialect.whole(reply))
  await stream(step, dialect.frames(reply), response, signal)
}

async function stream(
  step: Step,
  frames: ReturnType<Dialect['frames']>,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  const sent = step.cut ? frames.slice(0, Math.ceil(frames.length / 2)) : frames
  for (const frame of sent) {
    if (step.delay_ms > 0) await delay(step.delay_ms, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    await write(response, `${frame.event === null ? '' : `event: ${frame.event}\n`}data: ${frame.data}\n\n`)
  }
  if (step.cut) response.destroy()
  else response.end()
}

/** CLIs ask again without a stream when streams break. */
function dropHalf(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' })
  return write(response, '{').then(() => void response.destroy())
}

/** Resolves when the text has left, or the connection is gone: a cut must not take back what was said. */
const write = (response: ServerResponse, text: string): Promise<void> =>
  new Promise((resolve) => {
    response.write(text, () => resolve())
  })

/** The step in the words of the calling CLI. Ids repeat for the same place in a conversation. */
function replyOf(step: Step, asked: ModelRequest): ModelReply {
  const id = `scripted_${asked.spoken}`
  const calls: CliToolCall[] = []
  const missing: string[] = []
  for (const [index, call] of (step.tool_calls ?? []).entries()) {
    const translated = translate(call, asked.tools, asked.cwd, `call_${asked.spoken}_${index}`)
    if (translated === null) missing.push(call.tool)
    else calls.push(translated)
  }
  const apology = missing.length === 0 ? [] : [`I am not offered a tool for: ${missing.join(', ')}.`]
  const text = [step.text, ...apology].filter((part) => part !== undefined).join('\n')
  return {
    id,
    model: asked.model,
    thinking: step.thinking ?? null,
    text: text === '' ? null : text,
    calls,
    usage: step.usage,
    chunkChars: step.chunk_chars,
  }
}

const waitFor = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    if (!Buffer.isBuffer(part)) throw new Error('the body is not bytes')
    size += part.length
    if (size > MAX_BODY_BYTES) throw new Error(`the body is larger than ${MAX_BODY_BYTES} bytes`)
    parts.push(part)
  }
  const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'))
  return value
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function fail(response: ServerResponse, status: number, error: unknown): void {
  if (response.headersSent) response.destroy()
  else send(response, status, { error: { message: error instanceof Error ? error.message : String(error) } })
}
