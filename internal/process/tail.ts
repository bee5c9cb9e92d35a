/** Keeps the end of what a program writes, for messages about its failure. */
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/**
 * Reads a stream to its end and remembers the last `maxLength` UTF-16 units.
 * @returns a function that gives what is remembered so far, or null when nothing was written
 */
export function keepTail(stream: Readable, maxLength: number): () => string | null {
  const decoder = new StringDecoder('utf8')
  let tail = ''
  stream.on('data', (chunk: Buffer) => {
    tail = (tail + decoder.write(chunk)).slice(-maxLength)
  })
  stream.on('error', () => undefined) // the pipe of a dead program: its exit status tells the story
  return () => (tail === '' ? null : tail)
}

/**
 * Reads a stream to its end and remembers its first and its last `maxLength` UTF-16 units: programs often say first
 * what is wrong, and then a lot.
 * @returns a function that gives what is remembered so far, or null when nothing was written
 */
export function keepEnds(stream: Readable, maxLength: number): () => string | null {
  const decoder = new StringDecoder('utf8')
  let head = ''
  let tail = ''
  let isCut = false
  stream.on('data', (chunk: Buffer) => {
    const text = decoder.write(chunk)
    const room = maxLength - head.length
    head += text.slice(0, room)
    tail += text.slice(room)
    isCut ||= tail.length > maxLength
    tail = tail.slice(-maxLength)
  })
  stream.on('error', () => undefined) // as above
  return () => (head === '' ? null : `${head}${isCut ? '\n[…]\n' : ''}${tail}`)
}
