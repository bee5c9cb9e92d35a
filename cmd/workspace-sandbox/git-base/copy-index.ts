import { constants } from 'node:fs'
import { copyFile, stat, utimes } from 'node:fs/promises'

/**
 * Copies a git index with its time: a file that changed in the very moment the index was written can only be told
 * by comparing the two times, so a copy that looks newer would hide the change.
 * @param from absolute path  @param to absolute path
 * @throws with code ENOENT when there is none
 */
export async function copyIndex(from: string, to: string): Promise<void> {
  // Looked at first: if git replaces it meanwhile, the copy looks too old, and git only compares more.
  const { mtimeMs } = await stat(from)
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  const seconds = Math.floor(mtimeMs) / 1000
  await utimes(to, seconds, seconds)
}
