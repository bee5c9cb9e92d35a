/**
 * A lock on a folder that the kernel gives back when its holder dies, however it dies. Node has no flock;
 * SQLite (part of Node) holds a POSIX lock for the length of an exclusive transaction, so there is no stale
 * lock file to judge and no pid to mistake for a newer process.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface ExclusiveLock {
  release(): void
}

export type LockResult =
  | { readonly ok: true; readonly lock: ExclusiveLock }
  /** `owner`: what the holder said about itself, for a message to a person. */
  | { readonly ok: false; readonly owner: string }

/**
 * Takes the lock of a folder without waiting. The folder is made when absent.
 * @param folder absolute path
 * @param self one line about the caller, shown to whoever finds the lock taken
 * @throws when the folder cannot be written
 */
export function takeExclusiveLock(folder: string, self: string): LockResult {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const ownerFile = join(folder, 'owner')
  const database = new DatabaseSync(join(folder, 'lock'), { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw error
    return { ok: false, owner: readOwner(ownerFile) }
  }
  writeFileSync(ownerFile, `${self}\n`)
  return { ok: true, lock: { release: () => database.close() } }
}

/** SQLITE_BUSY (5): another process holds the lock. */
const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5

function readOwner(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return 'unknown' // between taking the lock and writing the line
  }
}
