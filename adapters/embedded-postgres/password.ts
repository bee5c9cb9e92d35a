/** The owner's password: made once, kept beside the cluster, never on a command line or in a log. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cannotRun } from './failure.ts'
import { statOf } from './layout.ts'

/**
 * @param hasCluster whether a cluster exists that knows an earlier password
 * @throws EmbeddedPostgresError when that password is lost
 */
export function ensurePassword(file: string, hasCluster: boolean): string {
  if (statOf(file) !== undefined) return readFileSync(file, 'utf8').trim()
  if (hasCluster) throw cannotRun(`${file} is gone, and with it the way into the database beside it`)
  const password = randomBytes(24).toString('base64url')
  writeWhole(file, password)
  return password
}

/** Complete and on disk, or not there at all. */
function writeWhole(file: string, content: string): void {
  const half = `${file}.new`
  const descriptor = openSync(half, 'w', 0o600)
  try {
    writeFileSync(descriptor, `${content}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(half, file)
}
