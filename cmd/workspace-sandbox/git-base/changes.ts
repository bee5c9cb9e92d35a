/** What differs between two trees of base.git, file by file. A rename is one deletion and one addition. */
import { type BaseGit, inBase } from './base-git.ts'
import { splitNul } from './git.ts'

export interface Entry {
  /** Git's mode: 100644, 100755 or 120000. */
  readonly mode: string
  readonly oid: string
}

export interface Change {
  /** Relative to the scope. */
  readonly path: string
  readonly before: Entry | null
  readonly after: Entry | null
}

export type ChangeType = 'added' | 'modified' | 'deleted'

export const typeOf = (change: Change): ChangeType => {
  if (change.before === null) return 'added'
  return change.after === null ? 'deleted' : 'modified'
}

/** Sorted by the bytes of the path. @throws when a changed file's name is not valid UTF-8 */
export async function readChanges(base: BaseGit, from: string, to: string): Promise<Change[]> {
  const args = ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-abbrev', from, to]
  const fields = splitNul(await inBase(base, args))
  const changes: Change[] = []
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [beforeMode = '', afterMode = '', beforeOid = '', afterOid = ''] = (fields[at] ?? '')
      .slice(1)
      .split(' ')
    changes.push({
      path: readName(fields[at + 1] ?? ''),
      before: readEntry(beforeMode, beforeOid),
      after: readEntry(afterMode, afterOid),
    })
  }
  return changes
}

const readEntry = (mode: string, oid: string): Entry | null => (mode === '000000' ? null : { mode, oid })

function readName(bytes: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch (error) {
    throw new Error(`a changed file has a name that is not valid UTF-8: ${JSON.stringify(bytes)}`, {
      cause: error,
    })
  }
}

/** Sizes in bytes of contents, by object id. */
export async function readSizes(base: BaseGit, oids: readonly string[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  if (oids.length === 0) return sizes
  const input = Buffer.from(oids.map((oid) => `${oid}\n`).join(''))
  const output = await inBase(base, ['cat-file', '--batch-check=%(objectname) %(objectsize)'], { input })
  for (const line of output.toString().split('\n')) {
    const [oid = '', size = ''] = line.split(' ')
    if (/^\d+$/.test(size)) sizes.set(oid, Number(size))
  }
  return sizes
}

/** Changed paths git takes for binary: a NUL byte in the first 8000 bytes of either side. */
export async function readBinaryPaths(base: BaseGit, from: string, to: string): Promise<ReadonlySet<string>> {
  const output = await inBase(base, ['diff-tree', '-r', '-z', '--numstat', '--no-renames', from, to])
  const binary = splitNul(output).filter((line) => line.startsWith('-\t-\t'))
  return new Set(binary.map((line) => readName(line.slice(4))))
}
