/** One folder per sandbox under the base folder. Whatever is mounted in one is unmounted before it goes. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { moveAside, removeForGood } from './git-base/remove-tree.ts'
import type { Mounts } from './overlay-driver/mounts.ts'

export interface SandboxFolders {
  /** Absolute path. */
  of(id: string): string
  /** The folder vanishes for everybody at once. @returns where it lies now, or null when it was absent */
  retire(id: string): Promise<string | null>
  remove(id: string): Promise<void>
  /** Removes what was retired and not removed: large folders take a while. */
  sweepTrash(): Promise<void>
}

/** What begins so is removed at the next start. */
export const TRASH = '.trash-'

/** @param baseDir absolute real path */
export function createSandboxFolders(baseDir: string, mounts: Mounts): SandboxFolders {
  const of = (id: string) => join(baseDir, id)
  const unmountBelow = async (folder: string) => {
    for (const each of await mounts.below(folder)) await mounts.unmount(each)
  }
  const retire = async (id: string) => {
    await unmountBelow(of(id))
    return moveAside(of(id), join(baseDir, `${TRASH}${randomUUID()}`))
  }
  return {
    of,
    retire,
    remove: async (id) => {
      const trash = await retire(id)
      if (trash !== null) await removeForGood(trash)
    },
    sweepTrash: async () => {
      for (const name of await readdir(baseDir)) {
        if (!name.startsWith(TRASH)) continue
        await unmountBelow(join(baseDir, name))
        await removeForGood(join(baseDir, name))
      }
    },
  }
}
