/**
 * Tracked files whose bytes on disk are not the bytes git stores: line ends, LFS, encodings, `$Id$`, filters. The
 * size betrays nearly all of them, whoever's settings were at work; for filters that keep the size the attributes
 * are asked too.
 */
import { type BaseGit, inBase } from '../git-base/base-git.ts'
import { joinNul, splitNul } from '../git-base/git.ts'
import type { IndexEntry } from './index-file.ts'

const ATTRIBUTES = ['filter', 'ident', 'working-tree-encoding']
const MAX_UINT32 = 2 ** 32

/** @returns their paths (bytes as latin1) */
export async function findConverted(base: BaseGit, entries: readonly IndexEntry[]): Promise<string[]> {
  const stored = await readStoredSizes(base, entries)
  const bySize = entries.filter((each, at) => stored[at] !== String(each.size)).map((each) => each.path)
  return [...bySize, ...(await readFiltered(base, entries))]
}

/** Cut to 32 bits like the index's; something that is no number for an object the project does not have. */
async function readStoredSizes(base: BaseGit, entries: readonly IndexEntry[]): Promise<string[]> {
  if (entries.length === 0) return []
  const input = Buffer.from(entries.map((each) => `${each.oid}\n`).join(''))
  const output = await inBase(base, ['cat-file', '--buffer', '--batch-check=%(objectsize)'], { input })
  return output
    .toString()
    .split('\n')
    .map((line) => (/^\d+$/.test(line) ? String(Number(line) % MAX_UINT32) : line))
}

/** Asked of the project's repository: the sandbox's own takes all files raw. */
async function readFiltered(base: BaseGit, entries: readonly IndexEntry[]): Promise<string[]> {
  if (!entries.some((each) => /(?:^|\/)\.gitattributes$/.test(each.path))) return []
  const input = joinNul(entries.map((each) => each.path))
  const args = ['--no-optional-locks', 'check-attr', '-z', '--stdin', ...ATTRIBUTES]
  const { stdout } = await base.git({ cwd: base.workspace, args, input })
  const fields = splitNul(stdout)
  const filtered = new Set<string>()
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = '', , value = ''] = fields.slice(at, at + 3)
    if (value !== 'unspecified' && value !== 'unset') filtered.add(path)
  }
  return [...filtered]
}
