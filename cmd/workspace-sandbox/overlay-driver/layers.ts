/** The folders of one overlay sandbox and how they are mounted. */
import { chmod, chown, lstat, mkdir, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isErrno } from '../failure.ts'
import type { Mounts } from './mounts.ts'

/** Absolute paths. */
export interface Layout {
  readonly folder: string
  /** A link to the project's folder: the options of a mount then hold no path of the project. */
  readonly lower: string
  readonly upper: string
  readonly work: string
  readonly merged: string
  /** Mount point for a short look at a workspace that is not mounted. */
  readonly peek: string
  /** An empty folder. */
  readonly nothing: string
  readonly baseGit: string
  /** Repository of the diffs made before the base has been read. */
  readonly earlyGit: string
  /** Its time is that of the sandbox's start; it holds the project's commit then, or nothing. */
  readonly startMark: string
  /** Device number of a mount that was taken away while in use. */
  readonly detached: string
}

export function layoutOf(folder: string): Layout {
  return {
    folder,
    lower: join(folder, 'lower'),
    upper: join(folder, 'upper'),
    work: join(folder, 'work'),
    merged: join(folder, 'merged'),
    peek: join(folder, 'peek'),
    nothing: join(folder, 'nothing'),
    baseGit: join(folder, 'base.git'),
    earlyGit: join(folder, 'early.git'),
    startMark: join(folder, 'start-mark'),
    detached: join(folder, 'detached'),
  }
}

/** Kept simple on purpose: what lies in the upper layer is then all there is to a change, and can be read from it. */
const PLAIN = ['redirect_dir=off', 'metacopy=off', 'index=off', 'xino=off', 'nfs_export=off']

/** The project's own `.git` is hidden from the start. @param scope absolute real path */
export async function makeLayers(mounts: Mounts, layout: Layout, scope: string): Promise<void> {
  await mkdir(layout.folder, { recursive: true, mode: 0o700 })
  for (const each of [layout.upper, layout.work, layout.merged, layout.peek, layout.nothing])
    await mkdir(each)
  await symlink(scope, layout.lower)
  // The root of the workspace shows the upper folder's own owner and mode.
  const info = await lstat(scope)
  await chown(layout.upper, info.uid, info.gid)
  await chmod(layout.upper, info.mode & 0o7777)
  if (await exists(join(scope, '.git'))) await mounts.whiteout(join(layout.upper, '.git'))
}

/** By the folder's name the mount can be told from all others. */
export const upperOption = (folder: string): string => `upperdir=../${basename(folder)}/upper`

export async function mountWorkspace(mounts: Mounts, layout: Layout): Promise<void> {
  const { folder } = layout
  const layers = ['lowerdir=lower', upperOption(folder), 'workdir=work']
  await mounts.overlay({ folder, target: 'merged', options: [...layers, ...PLAIN] })
}

/**
 * Gives `look` a way to a read-only mount of the workspace that shows both layers as they are now. It is made when
 * `look` first asks for it, and gone afterwards.
 */
export async function withFreshView<T>(
  mounts: Mounts,
  layout: Layout,
  look: (view: () => Promise<string>) => Promise<T>,
): Promise<T> {
  const opened: Promise<string>[] = []
  const open = async () => {
    if (await mounts.isOverlay(layout.peek)) await mounts.unmount(layout.peek) // left by a crash
    const { folder } = layout
    await mounts.overlay({ folder, target: 'peek', options: ['ro', 'lowerdir=upper:lower', ...PLAIN] })
    return layout.peek
  }
  try {
    return await look(() => {
      if (opened.length === 0) opened.push(open())
      return opened[0] ?? open()
    })
  } finally {
    // A view that could not be opened has told so to whoever asked for it.
    const [view] = await Promise.allSettled(opened)
    if (view?.status === 'fulfilled') await mounts.unmount(layout.peek)
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}
