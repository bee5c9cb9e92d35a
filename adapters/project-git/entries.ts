/** What trees and indexes hold at given paths (always named from the top level). */
import type { Repository } from './repository.ts'

export interface Entry {
  /** Octal, six digits. */
  readonly mode: string
  readonly oid: string
}

export const GITLINK_MODE = '160000'

/** Below the limit of Linux (128 KiB for one string, 2 MiB in all) with room for the environment. */
const MAX_ARGUMENT_CHARS = 100_000

/** The entries of a tree at or below `paths`. */
export async function treeEntries(
  { git }: Repository,
  tree: string,
  paths: readonly string[],
): Promise<Map<string, Entry>> {
  const found = new Map<string, Entry>()
  for (const some of chunks(paths)) {
    const { stdout } = await git(['ls-tree', '-r', '-z', '--full-tree', tree, '--', ...some])
    for (const { mode, second, third, path } of rows(stdout)) {
      if (second !== '') found.set(path, { mode, oid: third })
    }
  }
  return found
}

/** The entries of the repository's own index at or below `paths`; `unmerged` where a merge left stages. */
export async function indexEntries(
  { git }: Repository,
  paths: readonly string[],
): Promise<Map<string, Entry | 'unmerged'>> {
  const found = new Map<string, Entry | 'unmerged'>()
  for (const some of chunks(paths)) {
    const { stdout } = await git(['ls-files', '--stage', '-z', '--', ...some])
    for (const { mode, second, third, path } of rows(stdout)) {
      found.set(path, third === '0' ? { mode, oid: second } : 'unmerged')
    }
  }
  return found
}

export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  return a?.mode === b?.mode && a?.oid === b?.oid
}

/** Input for `update-index -z --index-info`: sets the entry, or removes it where there is none. */
export function indexInfo({ nullHash }: Repository, path: string, entry: Entry | undefined): string {
  return `${entry?.mode ?? '0'} ${entry?.oid ?? nullHash}\t${path}\0`
}

/** NUL-separated names as git prints them with -z. */
export function names(stdout: Buffer): string[] {
  return stdout.toString().split('\0').slice(0, -1)
}

/** Rows `mode second third TAB path`, the common shape of `ls-tree` and `ls-files --stage`. */
function rows(stdout: Buffer): { mode: string; second: string; third: string; path: string }[] {
  return names(stdout).map((row) => {
    const tab = row.indexOf('\t')
    const [mode = '', second = '', third = ''] = row.slice(0, tab).split(' ')
    return { mode, second, third, path: row.slice(tab + 1) }
  })
}

function chunks(paths: readonly string[]): string[][] {
  const all: string[][] = []
  let chars = MAX_ARGUMENT_CHARS
  for (const path of paths) {
    chars += path.length + 1
    if (chars > MAX_ARGUMENT_CHARS) {
      all.push([])
      chars = path.length + 1
    }
    all.at(-1)?.push(path)
  }
  return all
}
