/** Reads a git index file (format 2 or 3): what git knows of each file without asking git once per file. */
import { readFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isErrno } from '../failure.ts'

export interface IndexEntry {
  /** Bytes as latin1. */
  readonly path: string
  readonly oid: string
  /** Type bits and permissions, for example 0o160000. */
  readonly mode: number
  /** Size of the file in bytes when git last looked, cut to 32 bits. */
  readonly size: number
  /** Nanoseconds since 1970 of the file's last status change when git last looked. */
  readonly changedNs: bigint
  /** Not 0 in a merge that is not resolved. */
  readonly stage: number
  /** assume-unchanged or skip-worktree: git was told not to look. */
  readonly unwatched: boolean
}

const STAT_BYTES = 40
const ASSUME_VALID = 0x8000
const EXTENDED = 0x4000
const SKIP_WORKTREE = 0x4000
const ENTRIES_AT_ONCE = 5_000

/**
 * @param file absolute path; absent is empty, as for git
 * @param oidBytes 20 for sha1, 32 for sha256
 * @param pause awaited every few milliseconds
 * @throws Error when it has another format
 */
export async function readIndexFile(
  file: string,
  oidBytes: number,
  pause: () => Promise<void> = nextTurn,
): Promise<IndexEntry[]> {
  const content = await readIfPresent(file)
  if (content === null) return []
  const version = content.length < 12 ? 0 : content.readUInt32BE(4)
  if (content.toString('latin1', 0, 4) !== 'DIRC' || (version !== 2 && version !== 3)) {
    throw new Error(`${file} is not an index of format 2 or 3`)
  }
  const entries: IndexEntry[] = []
  const count = content.readUInt32BE(8)
  let at = 12
  for (let number = 0; number < count; number += 1) {
    if (number % ENTRIES_AT_ONCE === ENTRIES_AT_ONCE - 1) await pause()
    const flagsAt = at + STAT_BYTES + oidBytes
    const flags = content.readUInt16BE(flagsAt)
    const extended = (flags & EXTENDED) !== 0
    const nameAt = flagsAt + (extended ? 4 : 2)
    const more = extended ? content.readUInt16BE(flagsAt + 2) : 0
    const end = content.indexOf(0, nameAt)
    entries.push({
      path: content.toString('latin1', nameAt, end),
      oid: content.toString('hex', at + STAT_BYTES, flagsAt),
      mode: content.readUInt32BE(at + 24),
      size: content.readUInt32BE(at + 36),
      changedNs: BigInt(content.readUInt32BE(at)) * 1_000_000_000n + BigInt(content.readUInt32BE(at + 4)),
      stage: (flags >> 12) & 3,
      unwatched: (flags & ASSUME_VALID) !== 0 || (more & SKIP_WORKTREE) !== 0,
    })
    // Filled up with 1 to 8 NUL bytes to a multiple of 8.
    at += Math.ceil((end + 1 - at) / 8) * 8
  }
  return entries
}

async function readIfPresent(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}
