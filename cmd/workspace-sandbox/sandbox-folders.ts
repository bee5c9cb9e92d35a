/** One folder per sandbox under the base folder. Whatever is mounted in one is unmounted before it goes. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { moveAside, removeForGood } from './git-base/remove-tree.ts'
import type { Mounts } from './overlay-driver/mounts.ts'
import { runTool } from './run-tool.ts'

export interface SandboxFolders {
  /** Absolute path. */
  of(id: string): string
  /** The folder vanishes for everybody at once. @returns where it lies now, or null when it was absent */
  retire(id: string): Promise<string | null>
  remove(id: string): Promise<void>
  /** Removes what was retired and not removed: large folders take a while. */
  sweepTrash(): Promise<void>
}

/**
 * Tells an ext4 file system that the sandboxes have nothing to do with each other (`chattr`(1), attribute T), so that
 * it puts each in another region. Without a journal it does not use the numbers of files removed in the last minutes
 * and looks at each of them for every new file: a copy made where another one was just removed took five times as long.
 * @param path value of PATH for the tool  @returns why the file system was not told: a hint it can do without
 */
export const spreadFolders = (path: string, baseDir: string): Promise<string | null> =>
  runTool(path, 'chattr', ['+T', baseDir], '/')

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
