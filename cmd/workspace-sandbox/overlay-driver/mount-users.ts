/** Who still uses an overlay that is out of this process's sight. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { upperOption } from './layers.ts'
import type { Mounts } from './mounts.ts'

/**
 * @param mark part of the mount's options that only it has
 * @param device device number of a mount that was detached while in use, or null
 * @returns pids that have it mounted in a name space of their own, stand in it, or hold a file of it open
 */
export async function findMountUsers(mark: string, device: number | null): Promise<number[]> {
  const own = await readlink('/proc/self/ns/mnt')
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid))
  const users: number[] = []
  for (const pid of pids) {
    const folder = `/proc/${pid}`
    const used =
      (await unlessGone(hasMounted(folder, mark, own))) ||
      (device !== null && (await unlessGone(isInside(folder, device))))
    if (used) users.push(pid)
  }
  return users
}

const hasMounted = async (folder: string, mark: string, own: string): Promise<boolean> =>
  (await readlink(join(folder, 'ns', 'mnt'))) !== own &&
  (await readFile(join(folder, 'mountinfo'), 'latin1')).includes(mark)

async function isInside(folder: string, device: number): Promise<boolean> {
  const handles = await readdir(join(folder, 'fd'))
  const links = ['cwd', 'root', ...handles.map((name) => join('fd', name))]
  for (const link of links) {
    if (await unlessGone(stat(join(folder, link)).then((info) => info.dev === device))) return true
  }
  return false
}

/** A process may end, or close a file, while it is looked at; a zombie has nothing open. */
async function unlessGone(look: Promise<boolean>): Promise<boolean> {
  try {
    return await look
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EINVAL', 'EACCES', 'ENOTDIR', 'ESTALE', 'ENXIO')) return false
    throw error
  }
}

/**
 * Unmounts what nobody uses, for an orderly end of the service. An agent at work keeps its workspace; the next
 * start finds it mounted.
 * @param folder absolute path of the folder where sandboxes are kept
 */
export async function releaseMounts(mounts: Mounts, folder: string): Promise<void> {
  for (const point of await mounts.below(folder)) {
    const users = await findMountUsers(upperOption(dirname(point)), null)
    if (users.length === 0) await mounts.unmountIfUnused(point)
  }
}
