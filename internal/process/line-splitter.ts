/** Cuts a byte stream into lines, with a limit on what one line may hold. */
import { StringDecoder } from 'node:string_decoder'

export interface Line {
  readonly text: string
  /** The line was longer than the limit; `text` is its beginning. */
  readonly truncated: boolean
}

export interface LineSplitter {
  /** The lines that this chunk completes, without their line ends. */
  push(chunk: Uint8Array): Line[]
  /** The rest after the last line end, if there is any. */
  end(): Line[]
}

/**
 * @param maxLength how many UTF-16 units of a line are kept; what exceeds them is dropped, not held in memory
 */
export function createLineSplitter(maxLength: number): LineSplitter {
  const decoder = new StringDecoder('utf8')
  let kept = ''
  let dropped = false

  const add = (piece: string): void => {
    const room = maxLength - kept.length
    dropped ||= piece.length > room
    kept += piece.slice(0, Math.max(0, room))
  }
  const take = (): Line => {
    const line = { text: kept.endsWith('\r') ? kept.slice(0, -1) : kept, truncated: dropped }
    kept = ''
    dropped = false
    return line
  }
  const split = (text: string): Line[] => {
    const lines: Line[] = []
    const pieces = text.split('\n')
    for (const [index, piece] of pieces.entries()) {
      add(piece)
      if (index < pieces.length - 1) lines.push(take())
    }
    return lines
  }

  return {
    push: (chunk) => split(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end() {
      const lines = split(decoder.end())
      return kept === '' && !dropped ? lines : [...lines, take()]
    },
  }
}
