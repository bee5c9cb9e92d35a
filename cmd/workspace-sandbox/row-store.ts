/** Rows in memory, each backed by one JSON file that is replaced whole. */
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type Row, rowSchema } from './row.ts'

export interface RowStore {
  get(id: string): Row | undefined
  /** Newest first. */
  all(): Row[]
  /** The newest row with this key. */
  byKey(key: string): Row | undefined
  /** In memory at once, so that two creates see each other; the promise is for the disk. */
  put(row: Row): Promise<void>
  /** Files that could not be read at the start; they are left in place. */
  readonly unreadable: readonly string[]
}

/** @param folder absolute path; made when absent */
export async function openRowStore(folder: string): Promise<RowStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const rows = new Map<string, Row>()
  const unreadable: string[] = []
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.json')) continue
    const row = await readRow(join(folder, name))
    if (row === null) unreadable.push(name)
    else rows.set(row.id, row)
  }
  // Reversed first: of two made in the same millisecond the later one is newer.
  const all = () => [...rows.values()].toReversed().toSorted((a, b) => compareText(b.createdAt, a.createdAt))
  // Two writes of one row must reach the disk in the order they were made.
  const writes = new Map<string, Promise<void>>()
  return {
    get: (id) => rows.get(id),
    all,
    byKey: (key) => all().find((row) => row.idempotencyKey === key),
    put: (row) => {
      rows.set(row.id, row)
      const before = writes.get(row.id) ?? Promise.resolve()
      // A failed earlier write was reported to its own caller.
      const write = before.catch(() => {}).then(() => writeWhole(join(folder, `${row.id}.json`), row))
      writes.set(row.id, write)
      return write
    },
    unreadable,
  }
}

const compareText = (a: string, b: string): number => {
  if (a === b) return 0
  return a < b ? -1 : 1
}

async function readRow(file: string): Promise<Row | null> {
  const text = await readFile(file, 'utf8')
  try {
    return rowSchema.parse(JSON.parse(text))
  } catch {
    return null // reported by the caller through `unreadable`
  }
}

async function writeWhole(file: string, row: Row): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(JSON.stringify(row))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}
