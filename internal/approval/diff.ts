/**
 * Reads a unified diff: git's own format, and the sandbox service's, which has neither quoting, `index` nor
 * rename lines. Pure and total: what it does not know it skips, it never throws. Hunk bodies are measured by
 * the counts of their header, so a removed line that reads `-- a/x` is never taken for a file header.
 */
export interface DiffHunk {
  /** 16 hex digits; the same content at the same path has the same id, wherever the hunk has moved to. */
  readonly id: string
  readonly oldStart: number
  readonly oldLines: number
  readonly newStart: number
  readonly newLines: number
  /** The whole `@@` line. */
  readonly header: string
  /** Prefixes included, and `\ No newline at end of file`, which the counts leave out. */
  readonly lines: readonly string[]
}

export interface DiffFile {
  readonly path: string
  /** Where a renamed or copied file came from. */
  readonly oldPath: string | null
  readonly changeType: 'added' | 'modified' | 'deleted' | 'renamed'
  readonly additions: number
  readonly deletions: number
  readonly isBinary: boolean
  /** Octal, as the diff writes it; null where the diff is silent or that side does not exist. */
  readonly oldMode: string | null
  readonly newMode: string | null
  readonly hunks: readonly DiffHunk[]
}

type RawHunk = Omit<DiffHunk, 'id'>

/** One `diff --git` section: its lines `from` (inclusive) to `to` (exclusive) and what they say. */
interface Section {
  readonly from: number
  to: number
  readonly title: string
  readonly marks: Map<Mark, string>
  isBinary: boolean
  readonly hunks: RawHunk[]
}

const MARKS = [
  'old mode ',
  'new mode ',
  'new file mode ',
  'deleted file mode ',
  'rename from ',
  'rename to ',
  'copy from ',
  'copy to ',
  'index ',
  '--- ',
  '+++ ',
] as const
type Mark = (typeof MARKS)[number]

const TITLE = 'diff --git '
const HUNK_HEADER = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/
const BINARY = /^(?:Binary files? |GIT binary patch$)/
const NOWHERE = '/dev/null'
const ID_LENGTH = 16

/**
 * The files of a diff in its order. A file that changes its type (file to symlink) is two entries, as in git.
 * @param hash a collision-resistant hash in hex, at least 16 digits (this file imports nothing)
 */
export function parseUnifiedDiff(text: string, hash: (text: string) => string): DiffFile[] {
  const seen = new Map<string, number>()
  const identify = (path: string, hunk: RawHunk): DiffHunk => {
    const key = `${path}\0${hunk.lines.join('\n')}`
    const occurrence = seen.get(key) ?? 0
    seen.set(key, occurrence + 1)
    return { id: hash(`${occurrence}\n${key}`).slice(0, ID_LENGTH), ...hunk }
  }
  return readSections(linesOf(text)).map((section) => describe(section, identify))
}

/**
 * The sections of `text` that concern one of `paths` (either side of a rename), unchanged and in their order;
 * '' if there are none.
 */
export function sectionOf(text: string, paths: readonly string[]): string {
  const wanted = new Set(paths)
  const lines = linesOf(text)
  const kept = readSections(lines).filter((section) => {
    const { path, oldPath } = namesOf(section)
    return wanted.has(path) || (oldPath !== null && wanted.has(oldPath))
  })
  return kept.flatMap(({ from, to }) => lines.slice(from, to).map((line) => `${line}\n`)).join('')
}

/** Split at LF only: a CR belongs to its line. */
function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function readSections(lines: readonly string[]): Section[] {
  const sections: Section[] = []
  let at = 0
  while (at < lines.length) {
    const line = lines[at] ?? ''
    let section = sections.at(-1)
    if (line.startsWith(TITLE)) {
      section = { from: at, to: at, title: line, marks: new Map(), isBinary: false, hunks: [] }
      sections.push(section)
      at += 1
    } else if (section === undefined) {
      at += 1
    } else {
      at = readLine(section, lines, at)
    }
    if (section !== undefined) section.to = at
  }
  return sections
}

/** Takes one header line or one whole hunk; returns where the next line is. */
function readLine(section: Section, lines: readonly string[], at: number): number {
  const line = lines[at] ?? ''
  const hunk = readHunk(lines, at)
  if (hunk !== null) {
    section.hunks.push(hunk)
    return at + 1 + hunk.lines.length
  }
  if (BINARY.test(line)) section.isBinary = true
  // Behind the first hunk only hunks follow: a stray `--- x` there is no file name.
  const mark = section.hunks.length > 0 ? undefined : MARKS.find((each) => line.startsWith(each))
  if (mark !== undefined && !section.marks.has(mark)) section.marks.set(mark, line.slice(mark.length))
  return at + 1
}

function readHunk(lines: readonly string[], at: number): RawHunk | null {
  const header = lines[at] ?? ''
  const match = HUNK_HEADER.exec(header)
  if (match === null) return null
  const [, oldStart, oldCount = '1', newStart, newCount = '1'] = match
  const oldLines = Number(oldCount)
  const newLines = Number(newCount)
  return {
    oldStart: Number(oldStart),
    oldLines,
    newStart: Number(newStart),
    newLines,
    header,
    lines: readBody(lines, at + 1, oldLines, newLines),
  }
}

/** Ends when both counts are used up, or before the first line that cannot belong to a body. */
function readBody(lines: readonly string[], from: number, oldLines: number, newLines: number): string[] {
  let oldLeft = oldLines
  let newLeft = newLines
  let at = from
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (line.startsWith('\\')) continue
    // Some tools strip the lone blank of an empty context line.
    const onBoth = line === '' || line.startsWith(' ')
    const takesOld = onBoth || line.startsWith('-') ? 1 : 0
    const takesNew = onBoth || line.startsWith('+') ? 1 : 0
    if (takesOld + takesNew === 0 || takesOld > oldLeft || takesNew > newLeft) break
    oldLeft -= takesOld
    newLeft -= takesNew
  }
  return lines.slice(from, at)
}

function describe(section: Section, identify: (path: string, hunk: RawHunk) => DiffHunk): DiffFile {
  const { path, oldPath } = namesOf(section)
  const hunks = section.hunks.map((hunk) => identify(path, hunk))
  const count = (prefix: string): number =>
    hunks.reduce((sum, hunk) => sum + hunk.lines.filter((line) => line.startsWith(prefix)).length, 0)
  return {
    path,
    oldPath,
    changeType: changeTypeOf(section),
    additions: count('+'),
    deletions: count('-'),
    isBinary: section.isBinary,
    ...modesOf(section),
    hunks,
  }
}

function changeTypeOf({ marks }: Section): DiffFile['changeType'] {
  if (marks.has('rename to ')) return 'renamed'
  if (marks.has('new file mode ') || marks.has('copy to ')) return 'added'
  if (marks.has('deleted file mode ')) return 'deleted'
  if (marks.get('--- ') === NOWHERE) return 'added'
  return marks.get('+++ ') === NOWHERE ? 'deleted' : 'modified'
}

function modesOf({ marks }: Section): { oldMode: string | null; newMode: string | null } {
  const added = marks.get('new file mode ')
  if (added !== undefined) return { oldMode: null, newMode: added }
  const deleted = marks.get('deleted file mode ')
  if (deleted !== undefined) return { oldMode: deleted, newMode: null }
  const kept = / (\d{6})$/.exec(marks.get('index ') ?? '')?.[1] ?? null
  return { oldMode: marks.get('old mode ') ?? kept, newMode: marks.get('new mode ') ?? kept }
}

/**
 * A rename line is exact; then `+++`, and for a deletion `---`; a section with neither (binary, chmod, empty
 * in git's format) has its name in the title only.
 */
function namesOf(section: Section): { path: string; oldPath: string | null } {
  const { marks } = section
  const to = marks.get('rename to ') ?? marks.get('copy to ')
  const from = marks.get('rename from ') ?? marks.get('copy from ')
  if (to !== undefined && from !== undefined) return { path: unquote(to), oldPath: unquote(from) }
  const titled = titleName(section.title.slice(TITLE.length))
  const named = [marks.get('+++ '), marks.get('--- ')].find((name) => name !== undefined && name !== NOWHERE)
  return { path: named === undefined ? titled : labelName(named, titled), oldPath: null }
}

/** The name in `--- a/x` or `+++ b/x`. Git ends a name with blanks in it with a tab, others put a time there. */
function labelName(label: string, titled: string): string {
  if (titled !== '' && label.slice(2) === titled) return titled
  return stripPrefix(unquote(label.replace(/\t[^\t]*$/, '')))
}

/** The name in `a/x b/x`: both halves are the same, so the middle is known whatever blanks the name holds. */
function titleName(names: string): string {
  if (names.startsWith('"')) {
    const second = /"(?:[^"\\]|\\.)*"$/.exec(names)?.[0] ?? ''
    return stripPrefix(unquote(second))
  }
  const middle = (names.length - 1) / 2
  const halves = [names.slice(0, middle), names.slice(middle + 1)]
  if (names[middle] === ' ' && halves[0]?.slice(2) === halves[1]?.slice(2)) {
    return stripPrefix(halves[1] ?? '')
  }
  return stripPrefix(/ (b\/.*)$/.exec(names)?.[1] ?? names)
}

function stripPrefix(name: string): string {
  return /^[ab]\//.test(name) ? name.slice(2) : name
}

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  '\\': 92,
}

/** Undoes git's C quoting, where octal escapes are bytes of UTF-8; other text is returned as it is. */
function unquote(name: string): string {
  if (name.length < 2 || !name.startsWith('"') || !name.endsWith('"')) return name
  const bytes: number[] = []
  for (const [, octal, escaped, plain] of name
    .slice(1, -1)
    .matchAll(/\\([0-3][0-7]{2})|\\([\s\S])|([^\\]+)/gu)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8))
    else if (escaped !== undefined) bytes.push(...(byteOf(escaped) ?? utf8(escaped)))
    else bytes.push(...utf8(plain ?? ''))
  }
  return new TextDecoder().decode(new Uint8Array(bytes))
}

function byteOf(escaped: string): readonly number[] | undefined {
  const byte = Object.hasOwn(ESCAPES, escaped) ? ESCAPES[escaped] : undefined
  return byte === undefined ? undefined : [byte]
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
