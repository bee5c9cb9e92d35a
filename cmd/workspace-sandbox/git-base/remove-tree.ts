import { chmod, readdir, rename, rm } from 'node:fs/promises'
import { isErrno } from '../failure.ts'

/**
 * Takes a folder out of its place at once, so that nobody meets it half removed.
 * @param aside absolute path on the same file system that does not exist
 * @returns `aside`, or null when the folder was absent
 */
export async function moveAside(folder: string, aside: string): Promise<string | null> {
  try {
    await rename(folder, aside)
    return aside
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

/** Also removes folders whose mode forbids it to their owner. */
export async function removeForGood(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true })
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM')) throw error
    await openUp(Buffer.from(folder))
    await rm(folder, { recursive: true, force: true })
  }
}

async function openUp(folder: Buffer): Promise<void> {
  await chmod(folder, 0o700)
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await openUp(Buffer.concat([folder, Buffer.from('/'), entry.name]))
  }
}
