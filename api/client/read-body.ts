/** Answers as text, bounded. */

/** Rejects where the answer has more than `limit` bytes. */
export async function readText(response: Response, limit: number): Promise<string> {
  if (response.body === null) return ''
  const decoder = new TextDecoder()
  const parts: string[] = []
  let size = 0
  for await (const chunk of chunksOf(response.body)) {
    size += chunk.byteLength
    if (size > limit) throw new RangeError(`the answer has more than ${limit} bytes`)
    parts.push(decoder.decode(chunk, { stream: true }))
  }
  return parts.join('') + decoder.decode()
}

/**
 * The chunks of a stream: not every browser can iterate one by itself. Breaking off cancels the answer; an aborted
 * signal makes it reject with its reason.
 */
export async function* chunksOf(
  stream: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  const aborted = () => void reader.cancel(signal?.reason).catch(() => undefined) // the reader below is told
  signal?.addEventListener('abort', aborted, { once: true })
  try {
    for (;;) {
      signal?.throwIfAborted()
      const { done, value } = await reader.read()
      signal?.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    signal?.removeEventListener('abort', aborted)
    await reader.cancel().catch(() => undefined) // it failed already: the reader of it knows
  }
}
