/**
 * Hunks of one file, taken as spans of lines and not as patch text: the chosen spans of the new content replace
 * those of the old one. Lines are bytes with their own line ends, so CRLF, a missing final line break, lines that
 * look like patch syntax and text in any encoding come through as they are.
 */

/** One hunk: line numbers from 1, as in its header; with a count of 0 the start is the line before. */
export interface Hunk {
  readonly oldStart: number
  readonly oldCount: number
  readonly newStart: number
  readonly newCount: number
}

/** A choice of hunks: those whose new-file start line lies in the range, both ends included. */
export interface LineRange {
  readonly startLine: number
  readonly endLine: number
}

const HEADER = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/
const LINE_FEED = 10

/**
 * @param patch what git prints for exactly one file, as bytes (latin1)
 * @returns none for a binary file, a changed mode, an empty file
 * @throws Error on text that is no patch of git's
 */
export function readHunks(patch: string): Hunk[] {
  const lines = patch.split('\n')
  const hunks: Hunk[] = []
  let at = lines.findIndex((line) => line.startsWith('@@ '))
  while (at >= 0 && lines[at]?.startsWith('@@ ')) {
    const hunk = readHeader(lines[at] ?? '')
    hunks.push(hunk)
    at = endOfBody(lines, at + 1, hunk)
  }
  // After the last hunk there is the empty end of the text, or the second half of a file that became a link.
  if (at >= 0 && lines[at] !== '' && !lines[at]?.startsWith('diff --git ')) throw unexpected()
  return hunks
}

function readHeader(line: string): Hunk {
  const numbers = HEADER.exec(line)
  if (numbers === null) throw unexpected()
  return {
    oldStart: Number(numbers[1]),
    oldCount: Number(numbers[2] ?? 1),
    newStart: Number(numbers[3]),
    newCount: Number(numbers[4] ?? 1),
  }
}

/** Counts the lines the header announces: a removed line may well begin with `@@` or `--`. */
function endOfBody(lines: readonly string[], start: number, hunk: Hunk): number {
  let at = start
  let oldLeft = hunk.oldCount
  let newLeft = hunk.newCount
  for (; oldLeft > 0 || newLeft > 0; at += 1) {
    const mark = lines[at]?.[0]
    if (mark === '-') oldLeft -= 1
    else if (mark === '+') newLeft -= 1
    else if (mark === ' ') {
      oldLeft -= 1
      newLeft -= 1
    } else if (mark !== '\\') throw unexpected()
  }
  return lines[at]?.startsWith('\\ ') ? at + 1 : at
}

const unexpected = (): Error => new Error('git printed a patch in an unexpected shape')

/** The hunks some of the ranges name. */
export const chosenHunks = (hunks: readonly Hunk[], ranges: readonly LineRange[]): Hunk[] =>
  hunks.filter((hunk) =>
    ranges.some((range) => range.startLine <= hunk.newStart && hunk.newStart <= range.endLine),
  )

/**
 * The old content with some of the hunks made.
 * @param hunks of the diff between these very contents, in order
 */
export function applyHunks(before: Buffer, after: Buffer, hunks: readonly Hunk[]): Buffer {
  const oldLines = splitLines(before)
  const newLines = splitLines(after)
  const parts: Buffer[] = []
  let used = 0
  for (const hunk of hunks) {
    const start = indexOf(hunk.oldStart, hunk.oldCount)
    const from = indexOf(hunk.newStart, hunk.newCount)
    parts.push(...oldLines.slice(used, start), ...newLines.slice(from, from + hunk.newCount))
    used = start + hunk.oldCount
  }
  return Buffer.concat([...parts, ...oldLines.slice(used)])
}

const indexOf = (start: number, count: number): number => (count === 0 ? start : start - 1)

/** Each line with its line feed; the last one may have none. */
function splitLines(content: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let at = 0; at < content.length; ) {
    const end = content.indexOf(LINE_FEED, at)
    const next = end < 0 ? content.length : end + 1
    lines.push(content.subarray(at, next))
    at = next
  }
  return lines
}
