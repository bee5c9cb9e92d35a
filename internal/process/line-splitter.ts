/** Cuts a byte stream into lines, with a limit on what one line may hold. */

export interface Line {
  /** Decoded as UTF-8; what is not valid becomes U+FFFD. */
  readonly text: string
  /** The line was longer than the limit; `text` is its beginning, cut between two characters. */
  readonly truncated: boolean
}

export interface LineSplitter {
  /** The lines that this chunk completes, without their line ends. */
  push(chunk: Uint8Array): Line[]
  /** The rest after the last line end, if there is any. */
  end(): Line[]
}

const [LINE_FEED, CARRIAGE_RETURN] = [10, 13]
const NOTHING: Buffer = Buffer.alloc(0)
/** A buffer that grew beyond this for one long line is given back. */
const KEPT_BETWEEN_LINES = 64 * 1024

/**
 * Lines are cut as bytes and decoded whole, so the lines do not depend on where the chunks were cut.
 * @param maxLength how many bytes of a line are kept; what exceeds them is dropped, not held in memory
 */
export function createLineSplitter(maxLength: number): LineSplitter {
  // One more than the limit: it may be the carriage return of a line that just fits.
  const room = maxLength + 1
  let kept = NOTHING
  let length = 0
  let dropped = false

  const add = (bytes: Buffer): void => {
    dropped ||= bytes.length > room - length
    const part = bytes.subarray(0, room - length)
    if (length + part.length > kept.length) kept = grown(kept, length + part.length, room)
    part.copy(kept, length)
    length += part.length
  }
  const take = (): Line => {
    const line = toLine(kept.subarray(0, length), dropped, maxLength)
    if (kept.length > KEPT_BETWEEN_LINES) kept = NOTHING
    length = 0
    dropped = false
    return line
  }

  return {
    push(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const lines: Line[] = []
      let from = 0
      for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, from)) {
        const piece = bytes.subarray(from, at)
        if (length === 0) lines.push(toLine(piece, false, maxLength))
        else {
          add(piece)
          lines.push(take())
        }
        from = at + 1
      }
      add(bytes.subarray(from))
      return lines
    },
    end: () => (length === 0 ? [] : [take()]),
  }
}

/** Doubling: a line that comes byte by byte is not copied as often. */
function grown(kept: Buffer, needed: number, most: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(most, Math.max(needed, kept.length * 2)))
  kept.copy(larger)
  return larger
}

function toLine(bytes: Buffer, dropped: boolean, maxLength: number): Line {
  const end = !dropped && bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length
  const truncated = dropped || end > maxLength
  return { text: bytes.toString('utf8', 0, truncated ? cutAt(bytes, maxLength) : end), truncated }
}

/** The last boundary between two characters at or before `end`; `end` itself where there is none, as in bad UTF-8. */
function cutAt(bytes: Buffer, end: number): number {
  const longest = 4
  for (let at = end; at > end - longest && at >= 0; at -= 1) if (!isContinuation(bytes[at])) return at
  return end
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80
