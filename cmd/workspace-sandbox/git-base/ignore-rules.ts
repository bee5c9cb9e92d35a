/**
 * The ignore rules a sandbox was made under, as one flat list that git reads with --exclude-from. They are kept
 * because the agent can write to every `.gitignore` in its copy, and what is part of the review must not be its
 * choice. Text in, text out.
 */
import { matchesSegment } from '../path-glob.ts'

/** For a project outside git that has no `.agentignore`. Only names nobody gives to sources. */
export const BUILTIN_RULES = `node_modules/
.venv/
__pycache__/
*.pyc
.pytest_cache/
.mypy_cache/
.ruff_cache/
.tox/
.gradle/
.DS_Store
`

export interface RuleFile {
  /** Folder the rules are for, relative to the scope: `''` or `a/b`. */
  readonly folder: string
  readonly text: string
}

interface Rule {
  readonly negated: boolean
  /** Without `!`, the leading `/` and the trailing `/`. */
  readonly pattern: string
  readonly foldersOnly: boolean
  readonly anchored: boolean
}

/**
 * One list with the effect of many files: git lets the deepest file decide, and in one list the last rule, so
 * deeper files come later and every rule carries its folder.
 */
export function flattenRules(files: readonly RuleFile[]): string {
  const deepestLast = files.toSorted((a, b) => depthOf(a.folder) - depthOf(b.folder))
  return deepestLast
    .filter((file) => !file.folder.includes('\n'))
    .flatMap((file) => readRules(file.text).map((rule) => print(below(file.folder, rule))))
    .map((line) => `${line}\n`)
    .join('')
}

/**
 * What the rules of a folder further up mean inside a sub-folder of it.
 * @param segments the way down from the rules' folder to the sub-folder
 */
export function rulesInSubFolder(text: string, segments: readonly string[]): string {
  return readRules(text)
    .flatMap((rule) => stepDown(rule, segments))
    .map((rule) => `${print(rule)}\n`)
    .join('')
}

/** A rule that covers the sub-folder itself is dropped: who asks for that folder wants what is in it. */
function stepDown(rule: Rule, segments: readonly string[]): Rule[] {
  if (!rule.anchored) return [rule]
  const pattern = rule.pattern.split('/')
  for (const [index, segment] of segments.entries()) {
    const next = pattern[index]
    if (next === '**') return [{ ...rule, pattern: pattern.slice(index).join('/') }]
    if (next === undefined || !matchesSegment(next, segment)) return []
  }
  const rest = pattern.slice(segments.length).join('/')
  return rest === '' ? [] : [{ ...rule, pattern: rest }]
}

function below(folder: string, rule: Rule): Rule {
  if (folder === '') return rule
  const place = folder.replace(/[\\*?[]/g, '\\$&')
  return { ...rule, anchored: true, pattern: `${place}/${rule.anchored ? '' : '**/'}${rule.pattern}` }
}

const print = (rule: Rule): string =>
  `${rule.negated ? '!' : ''}${rule.anchored ? '/' : ''}${rule.pattern}${rule.foldersOnly ? '/' : ''}`

function readRules(text: string): Rule[] {
  return text
    .replace(/^\u{feff}/u, '')
    .split('\n')
    .map((line) => trimEnd(line.replace(/\r$/, '')))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap(readRule)
}

function readRule(line: string): Rule[] {
  const negated = line.startsWith('!')
  const body = negated ? line.slice(1) : line
  const foldersOnly = body.endsWith('/')
  const pattern = foldersOnly ? body.slice(0, -1) : body
  const anchored = pattern.includes('/')
  const bare = pattern.replace(/^\//, '')
  return bare === '' ? [] : [{ negated, pattern: bare, foldersOnly, anchored }]
}

/** Trailing spaces do not count unless the last one is escaped. */
function trimEnd(line: string): string {
  const kept = line.replace(/ +$/, '')
  const escaped = /(?:^|[^\\])(?:\\\\)*\\$/.test(kept) && kept !== line
  return escaped ? `${kept} ` : kept
}

const depthOf = (folder: string): number => (folder === '' ? 0 : folder.split('/').length)
