/** A reader of server-sent events that can be slow and can hang up anywhere. */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { createParser } from 'eventsource-parser'
import type { Json } from './client.ts'

export interface SseMessage {
  readonly event: string
  readonly id: string | null
  readonly data: Json
}

const MAX_TEXT = 10_000

export class SseClient {
  /** Resolves with the head of the answer. */
  readonly head: Promise<{ status: number; headers: IncomingHttpHeaders }>
  /** Resolves when no more comes: in good order, or not. */
  readonly ended: Promise<'whole' | 'cut'>
  readonly messages: SseMessage[] = []
  readonly comments: string[] = []
  readonly retries: number[] = []
  /** The last of what came, as text. */
  text = ''
  readonly #request: ClientRequest
  #response: IncomingMessage | null = null
  #wake: () => void = () => undefined

  readonly #came: () => void
  #beforeData: () => void = () => undefined

  /** @param came called whenever something is added to `messages` */
  constructor(url: string, headers: Record<string, string> = {}, came: () => void = () => undefined) {
    this.#came = came
    this.#request = request(url, { headers, agent: false })
    this.head = new Promise((resolve, reject) => {
      this.#request.once('response', (response) => {
        this.#receive(response)
        resolve({ status: response.statusCode ?? 0, headers: response.headers })
      })
      this.#request.once('error', reject)
    })
    this.head.catch(() => undefined) // whoever waits for it is told
    this.ended = new Promise((resolve) => {
      this.#request.once('close', () => resolve(this.#response?.complete === true ? 'whole' : 'cut'))
    })
    this.#request.on('error', () => undefined)
    this.#request.end()
  }

  /** The next message that was not asked for yet. Fails after two seconds. */
  async next(): Promise<SseMessage> {
    const deadline = AbortSignal.timeout(2000)
    while (this.messages.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        deadline.addEventListener('abort', () => reject(new Error(`no message came: ${this.text}`)), {
          once: true,
        })
      })
    }
    return this.messages.shift()!
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  /** Calls back before the next bytes are looked at. */
  beforeData(listener: () => void): void {
    this.#beforeData = listener
  }

  /** Hangs up without a word. */
  destroy(): void {
    this.#request.destroy()
  }

  #receive(response: IncomingMessage): void {
    this.#response = response
    const parser = createParser({
      onEvent: ({ event = 'message', id = null, data }) => {
        const message = { event, id, data: JSON.parse(data) }
        this.messages.push(message)
        this.#came()
        this.#wake()
      },
      onComment: (comment) => {
        this.comments.push(comment)
        this.#wake()
      },
      onRetry: (ms) => void this.retries.push(ms),
    })
    response.setEncoding('utf8')
    response.on('data', (text: string) => {
      this.#beforeData()
      this.text = (this.text + text).slice(-MAX_TEXT)
      parser.feed(text)
    })
    response.on('error', () => undefined) // `ended` tells
  }
}
