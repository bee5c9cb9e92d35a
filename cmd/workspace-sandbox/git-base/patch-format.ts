/**
 * Turns git's patch text into the contract's unified diff (section 10 there): no index lines, no function names,
 * no quoted paths. Names come from the list of changes, never from the text; the end of a hunk is found by
 * counting its lines, never by their first letters. Strings of bytes (latin1) in and out.
 */
import type { Change, Entry } from './changes.ts'

interface Section {
  readonly path: string
  readonly before: Entry | null
  readonly after: Entry | null
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/

/**
 * @param patch output of `git diff-tree -p` for exactly these changes, in the same order
 * @param prefix put before each path: `''` or `src/`
 */
export function formatPatch(patch: string, changes: readonly Change[], prefix: string): string {
  const reader = lineReader(patch)
  return changes
    .flatMap(sectionsOf)
    .map((section) => formatSection(reader, section, latin1(`${prefix}${section.path}`)))
    .join('')
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/** Git writes a file that became a symlink (or the reverse) as a deletion and an addition. */
function sectionsOf(change: Change): Section[] {
  const { path, before, after } = change
  if (before === null || after === null || isLink(before) === isLink(after)) return [change]
  return [
    { path, before, after: null },
    { path, before: null, after },
  ]
}

const isLink = (entry: Entry): boolean => entry.mode === '120000'

interface LineReader {
  /** The next line without its line feed, or null at the end. */
  peek(): string | null
  next(): string
}

function lineReader(text: string): LineReader {
  let at = 0
  const lineEnd = () => {
    const end = text.indexOf('\n', at)
    return end < 0 ? text.length : end
  }
  return {
    peek: () => (at >= text.length ? null : text.slice(at, lineEnd())),
    next: () => {
      const end = lineEnd()
      const line = text.slice(at, end)
      at = end + 1
      return line
    },
  }
}

function formatSection(reader: LineReader, section: Section, path: string): string {
  if (!reader.next().startsWith('diff --git ')) throw new Error('git printed a patch in an unexpected shape')
  let binary = false
  for (let line = reader.peek(); line !== null; line = reader.peek()) {
    if (line.startsWith('diff --git ') || line.startsWith('@@ ')) break
    binary ||= line.startsWith('Binary files ')
    reader.next()
  }
  const body = readHunks(reader, section)
  return [...headerLines(section, path, binary, body.length > 0), ...body].map((line) => `${line}\n`).join('')
}

function headerLines(section: Section, path: string, binary: boolean, hunks: boolean): string[] {
  const { before, after } = section
  const lines = [`diff --git a/${path} b/${path}`]
  if (before === null) lines.push(`new file mode ${after?.mode}`)
  else if (after === null) lines.push(`deleted file mode ${before.mode}`)
  else if (before.mode !== after.mode) lines.push(`old mode ${before.mode}`, `new mode ${after.mode}`)
  const created = before === null || after === null
  if (binary)
    return [...lines, created ? `Binary file ${path}` : `Binary files a/${path} and b/${path} differ`]
  if (!created && !hunks) return lines
  lines.push(
    before === null ? '--- /dev/null' : `--- a/${path}`,
    after === null ? '+++ /dev/null' : `+++ b/${path}`,
  )
  return lines
}

function readHunks(reader: LineReader, section: Section): string[] {
  const lines: string[] = []
  for (let line = reader.peek(); line?.startsWith('@@ '); line = reader.peek()) {
    const numbers = HUNK.exec(line)
    if (numbers === null) throw new Error('git printed a hunk in an unexpected shape')
    reader.next()
    const body = readHunkBody(reader, Number(numbers[2] ?? 1), Number(numbers[4] ?? 1))
    lines.push(hunkHeader(section, numbers, body), ...body)
  }
  return lines
}

function readHunkBody(reader: LineReader, oldLines: number, newLines: number): string[] {
  const lines: string[] = []
  let oldLeft = oldLines
  let newLeft = newLines
  while (oldLeft > 0 || newLeft > 0) {
    const line = reader.next()
    if (line.startsWith('-')) oldLeft -= 1
    else if (line.startsWith('+')) newLeft -= 1
    else if (line.startsWith(' ')) {
      oldLeft -= 1
      newLeft -= 1
    } else if (!line.startsWith('\\')) throw new Error('git printed a hunk in an unexpected shape')
    lines.push(line)
  }
  if (reader.peek()?.startsWith('\\ ')) lines.push(reader.next())
  return lines
}

/** The original always prints the count of a wholly new or deleted file, except for a lone line break. */
function hunkHeader(section: Section, numbers: RegExpExecArray, body: readonly string[]): string {
  const [whole = '', oldStart, oldCount, newStart, newCount] = numbers
  if (section.before === null && !(body.length === 1 && body[0] === '+')) {
    return `@@ -0,0 +${newStart},${newCount ?? 1} @@`
  }
  if (section.after === null) return `@@ -${oldStart},${oldCount ?? 1} +0,0 @@`
  return whole
}
