/** Mounting and unmounting by the system's own tools, and what the kernel says is mounted. Linux only. */
import { lstat, readFile, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isErrno } from '../failure.ts'
import { runTool } from '../run-tool.ts'

export interface OverlayMount {
  /** Absolute. The other paths are relative to it, so that no character of theirs has a meaning to mount. */
  readonly folder: string
  readonly target: string
  readonly options: readonly string[]
}

export interface Mounts {
  /** @throws Error with the tool's message */
  overlay(mount: OverlayMount): Promise<void>
  /** Whether an overlay is mounted right there. @param path absolute */
  isOverlay(path: string): Promise<boolean>
  /** Mount points in a folder, innermost first. @param folder absolute real path */
  below(folder: string): Promise<string[]>
  /** Leaves it mounted when somebody uses it. @param path absolute  @returns whether it is unmounted now */
  unmountIfUnused(path: string): Promise<boolean>
  /** Out of sight at once; processes still inside keep it alive until they leave. */
  detach(path: string): Promise<void>
  /** The one, else the other. */
  unmount(path: string): Promise<void>
  /** The mark in an upper layer that hides what the lower one has there. @param path absolute */
  whiteout(path: string): Promise<void>
}

/** Shown by the kernel as the mount's source. */
const SOURCE = 'workspace-sandbox'
const OVERLAY_MAGIC = 0x794c7630

/** @param path value of PATH for the tools */
export function createMounts(path: string): Mounts {
  const run = (command: string, args: readonly string[], cwd: string) => runTool(path, command, args, cwd)
  const unmountIfUnused = async (target: string) => (await run('umount', ['--', target], '/')) === null
  const detach = async (target: string) => {
    const problem = await run('umount', ['-l', '--', target], '/')
    if (problem !== null) throw new Error(`${target} cannot be unmounted: ${problem}`)
  }
  return {
    overlay: async ({ folder, target, options }) => {
      const args = ['-t', 'overlay', '-o', options.join(','), SOURCE, target]
      const problem = await run('mount', args, folder)
      if (problem !== null) throw new Error(`the overlay cannot be mounted: ${problem}`)
    },
    isOverlay,
    below: async (folder) => {
      const points = (await readMountPoints()).filter((point) => point.startsWith(`${folder}/`))
      return points.toReversed()
    },
    unmountIfUnused,
    detach,
    unmount: async (target) => {
      if (!(await unmountIfUnused(target))) await detach(target)
    },
    whiteout: async (target) => {
      const problem = await run('mknod', ['--', target, 'c', '0', '0'], '/')
      if (problem !== null) throw new Error(`a whiteout cannot be made: ${problem}`)
    },
  }
}

async function isOverlay(path: string): Promise<boolean> {
  try {
    const here = await lstat(path)
    const above = await lstat(dirname(path))
    return here.isDirectory() && here.dev !== above.dev && (await statfs(path)).type === OVERLAY_MAGIC
  } catch (error) {
    // What it lies on is gone or does not answer: not usable either way.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE', 'EIO', 'ENOTCONN')) return false
    throw error
  }
}

/** In the order they were mounted. */
async function readMountPoints(): Promise<string[]> {
  try {
    const text = await readFile('/proc/self/mountinfo', 'latin1')
    return text.split('\n').flatMap((line) => {
      const point = line.split(' ')[4]
      return point === undefined ? [] : [decodeOctal(point)]
    })
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [] // not Linux: nothing of ours can be mounted
    throw error
  }
}

/** The kernel writes blanks, tabs, line breaks and backslashes as three octal digits. */
function decodeOctal(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
