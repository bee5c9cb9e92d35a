/**
 * Where the agent touched the project, told from the upper layer and the project alone, before the base is known.
 * Names are strings of bytes (latin1).
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { isErrno } from '../failure.ts'

export interface Touched {
  /** Files and links of the project that the upper layer hides. */
  readonly files: readonly string[]
  /** Folders of the project that the upper layer has as well, `''` first: the ways to all that was touched. */
  readonly folders: readonly string[]
  /** The `.gitignore` files in these folders of the project. */
  readonly ruleFiles: readonly string[]
}

const LISTING = { withFileTypes: true, encoding: 'buffer' } as const
type Entries = ReadonlyMap<string, Dirent<Buffer>>

/**
 * @param scope absolute path of the project's folder  @param upper of the upper layer  @param live of the workspace
 * @returns null when only the whole base can tell: a folder of the project is gone or made anew, a repository lies on
 * the way, or rules are no plain file
 */
export async function findTouched(scope: string, upper: string, live: string): Promise<Touched | null> {
  const found: Found = { files: [], folders: [], ruleFiles: [], open: [''] }
  for (let path = found.open.pop(); path !== undefined; path = found.open.pop()) {
    const below = await list(scope, path)
    const above = await list(upper, path)
    if (below === null || above === null || (await hidesMore(live, path, below, above))) return null
    // Only a pointer to a repository was hidden here.
    if ([...above.keys()].every(isGitName)) continue
    if (!lookInto(path, below, above, found)) return null
  }
  return found
}

interface Found {
  readonly files: string[]
  readonly folders: string[]
  readonly ruleFiles: string[]
  /** Still to be looked into. */
  readonly open: string[]
}

/** @returns whether what the base has here can be told */
function lookInto(path: string, below: Entries, above: Entries, found: Found): boolean {
  if (path !== '' && below.has('.git')) return false
  found.folders.push(path)
  const rules = below.get('.gitignore')
  if (rules !== undefined) found.ruleFiles.push(join(path, '.gitignore'))
  for (const [name, entry] of above) {
    const before = isGitName(name) ? undefined : below.get(name)
    if (before?.isFile() || before?.isSymbolicLink()) found.files.push(join(path, name))
    if (before?.isDirectory() && !entry.isDirectory()) return false
    if (before?.isDirectory()) found.open.push(join(path, name))
  }
  return rules?.isFile() !== false
}

/** Whether the upper folder is opaque: the workspace does not show what the project has and nothing lies over. */
async function hidesMore(live: string, path: string, below: Entries, above: Entries): Promise<boolean> {
  const through = [...below.keys()].filter((name) => !above.has(name))
  const shown = through.length === 0 ? null : await list(live, path)
  return through.some((name) => shown === null || !shown.has(name))
}

const isGitName = (name: string): boolean => /^\.git$/i.test(name)

/** @returns null when there is no such folder any more */
async function list(root: string, path: string): Promise<Entries | null> {
  try {
    const entries = await readdir(placeOf(root, path), LISTING)
    return new Map(entries.map((entry) => [entry.name.toString('latin1'), entry]))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

/** Whether nothing happened at any of these places since a moment. @param ns nanoseconds since 1970 */
export async function unchangedSince(scope: string, paths: readonly string[], ns: bigint): Promise<boolean> {
  for (const path of paths) {
    try {
      const { ctimeNs } = await lstat(placeOf(scope, path), { bigint: true })
      if (ctimeNs >= ns) return false
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    }
  }
  return true
}

const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

const placeOf = (root: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')])
