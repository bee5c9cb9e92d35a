/** Finds the `.gitignore` files that can have an effect, without walking into ignored folders. */
import { basename, join } from 'node:path'
import { type BaseGit, emptyIndex, inBase } from '../git-base/base-git.ts'
import { splitNul } from '../git-base/git.ts'

const MAX_DEPTH = 20

/**
 * @param base the rules from outside are in place already; its index names the tracked files
 * @param tracked paths (bytes as latin1)
 * @returns paths of the files, relative to the workspace
 */
export async function findIgnoreFiles(base: BaseGit, tracked: readonly string[]): Promise<string[]> {
  const untracked = await listUntracked(base, '', 'index', 0)
  const found = [...tracked, ...untracked].filter((path) => basename(path) === '.gitignore')
  return [...new Set(found)].flatMap((path) => toText(path) ?? [])
}

/** Git stops at a repository inside: it is asked again for each of them. */
async function listUntracked(base: BaseGit, folder: string, index: string, depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH) return []
  const inside = { ...base, workspace: join(base.workspace, folder) }
  const args = ['ls-files', '-z', '--others', '--exclude-standard']
  const listed = splitNul(await inBase(inside, args, { index }))
  const paths: string[] = []
  for (const path of listed) {
    if (!path.endsWith('/')) {
      paths.push(path)
      continue
    }
    const name = toText(path)
    if (name === null) continue
    const empty = await emptyIndex(base, 'empty.index')
    const inner = await listUntracked(inside, name, empty, depth + 1)
    for (const each of inner) paths.push(`${path}${each}`)
  }
  return paths
}

/** A rule file below a folder whose name is not UTF-8 has no effect: its rules could not be written down. */
export function toText(bytes: string): string | null {
  const text = Buffer.from(bytes, 'latin1').toString()
  return Buffer.from(text).toString('latin1') === bytes ? text : null
}
