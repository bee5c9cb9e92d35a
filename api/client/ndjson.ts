/** A stream of JSON values, one a line. */
import { chunksOf } from './read-body.ts'

/** Characters of one line: an event with what its agent printed stays far below. */
const MAX_LINE = 32 * 1024 * 1024

/** Rejects with the signal's reason, or where the stream breaks off in a line. */
export async function* ndjson<T>(response: Response, signal?: AbortSignal): AsyncGenerator<T> {
  if (response.body === null) return
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunksOf(response.body, signal)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) throw new RangeError(`a line has more than ${MAX_LINE} characters`)
    for (const line of lines) if (line !== '') yield JSON.parse(line)
  }
  if (rest !== '') throw new RangeError('the stream broke off in the middle of a line')
}
