/** Lines of a stream, one at a time: nobody asks for the next, nothing is read. */
import type { Readable } from 'node:stream'
import { createLineSplitter, type Line } from '../../../internal/process/line-splitter.ts'

/** @param maxLength bytes of a line that are kept; the line says when that is not all of it */
export async function* readLines(stream: Readable, maxLength: number): AsyncGenerator<Line, undefined> {
  const splitter = createLineSplitter(maxLength)
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new Error('the stream must give bytes')
    yield* splitter.push(chunk)
  }
  yield* splitter.end()
  return undefined
}
