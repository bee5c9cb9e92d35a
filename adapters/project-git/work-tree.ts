/** What lies in a folder, as git sees it: no symlink is followed, not even one above the path. */
import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** `nothing` also where a parent is a symlink or no folder. */
type OnDisk = 'file' | 'folder' | 'nothing'

export interface WorkTree {
  at(path: string): Promise<OnDisk>
  /** Whether a folder above `path`, or `path` itself, is another repository (a submodule, a clone). */
  inOtherRepository(path: string): Promise<boolean>
}

/** Looks at each path once: make a new one when the files may have changed. */
export function workTreeAt(root: string): WorkTree {
  const seen = new Map<string, Promise<OnDisk>>()
  const look = (path: string): Promise<OnDisk> => {
    const known = seen.get(path) ?? kindOf(join(root, path))
    seen.set(path, known)
    return known
  }
  return {
    async at(path) {
      for (const parent of parents(path)) if ((await look(parent)) !== 'folder') return 'nothing'
      return await look(path)
    },
    async inOtherRepository(path) {
      for (const folder of [...parents(path), path]) {
        if ((await look(folder)) !== 'folder') return false
        if ((await look(`${folder}/.git`)) !== 'nothing') return true
      }
      return false
    },
  }
}

async function kindOf(path: string): Promise<OnDisk> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'file'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'nothing'
    throw error
  }
}

/** `a/b/c` -> `a`, `a/b`. */
function parents(path: string): string[] {
  const above: string[] = []
  for (let at = dirname(path); at !== '.'; at = dirname(at)) above.unshift(at)
  return above
}
