/** Server-sent events as an async iterator: one at a time, so that a slow reader slows the sender. */
import { createParser } from 'eventsource-parser'

/** The longest event that is read, in UTF-16 units; tool results are the large ones. */
const MAX_EVENT_LENGTH = 16 * 1024 * 1024

/**
 * The data of each event of a response body, until the body ends.
 * @param quietMs the stream counts as dead after this long without a byte (opencode sends a heartbeat every 10 s)
 * @throws Error when the stream breaks, falls silent or holds a larger event than allowed
 */
export async function* readEvents(body: ReadableStream<Uint8Array>, quietMs: number): AsyncGenerator<string> {
  let ready: string[] = []
  const faults: Error[] = []
  const parser = createParser({
    onEvent: (event) => ready.push(event.data),
    onError: (error) => {
      // Unknown fields and retry hints are harmless; an overlong event is not.
      if (error.type === 'max-buffer-size-exceeded') faults.push(error)
    },
    maxBufferSize: MAX_EVENT_LENGTH,
  })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const chunk = await readWithin(reader, quietMs)
      if (chunk === null) return
      parser.feed(decoder.decode(chunk, { stream: true }))
      if (faults[0] !== undefined) throw faults[0]
      const events = ready
      ready = []
      yield* events
    }
  } finally {
    // The stream may be broken already; what matters is that the connection is let go.
    await reader.cancel().catch(() => undefined)
  }
}

async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  quietMs: number,
): Promise<Uint8Array | null> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the event stream was silent for ${quietMs} ms`)), quietMs)
  })
  try {
    const result = await Promise.race([reader.read(), silence])
    return result.done ? null : result.value
  } finally {
    clearTimeout(timer)
  }
}
