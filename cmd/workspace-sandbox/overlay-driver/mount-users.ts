/** Who still uses an overlay that is out of this process's sight. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { upperOption } from './layers.ts'
import type { Mounts } from './mounts.ts'

/**
 * @param mount.mark part of the mount's options that only it has
 * @param mount.point where it is, or was, mounted
 * @param mount.device device number of a mount that was detached while in use, or null
 * @returns pids that were given it in a name space of their own, stand in it, or hold a file of it open
 */
export async function findMountUsers(mount: {
  readonly mark: string
  readonly point: string
  readonly device: number | null
}): Promise<number[]> {
  const { device } = mount
  const own = await readlink('/proc/self/ns/mnt')
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid))
  const users: number[] = []
  for (const pid of pids) {
    const folder = `/proc/${pid}`
    const used =
      (await unlessGone(wasGivenIt(folder, mount, own))) ||
      (device !== null && (await unlessGone(isInside(folder, device))))
    if (used) users.push(pid)
  }
  return users
}

/**
 * A new name space starts with a copy of every mount of the machine: one copy, where the mount was, means nothing
 * (the agent of another sandbox has it, out of its sight) unless the process stands in it. Whoever was given the
 * workspace has it a second time, or at another place.
 */
async function wasGivenIt(
  folder: string,
  mount: { readonly mark: string; readonly point: string },
  own: string,
): Promise<boolean> {
  if ((await readlink(join(folder, 'ns', 'mnt'))) === own) return false
  const lines = (await readFile(join(folder, 'mountinfo'), 'utf8')).split('\n')
  const points = lines.filter((line) => line.includes(mount.mark)).map(pointOf)
  if (points.length === 0) return false
  return points.length > 1 || points[0] !== mount.point || (await standsIn(folder, mount.point))
}

/** The fifth field, its spaces and backslashes written as octal numbers. */
const pointOf = (line: string): string =>
  (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )

async function standsIn(folder: string, point: string): Promise<boolean> {
  const handles = await readdir(join(folder, 'fd'))
  for (const link of ['cwd', 'root', ...handles.map((name) => join('fd', name))]) {
    const isIn = readlink(join(folder, link)).then((way) => way === point || way.startsWith(`${point}/`))
    if (await unlessGone(isIn)) return true
  }
  return false
}

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
    const mark = upperOption(dirname(point))
    const users = await findMountUsers({ mark, point, device: null })
    if (users.length === 0) await mounts.unmountIfUnused(point)
  }
}
