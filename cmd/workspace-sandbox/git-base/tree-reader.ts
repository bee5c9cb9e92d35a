/** Reads git trees folder by folder, so that the cost follows what is asked for and not the size of the project. */
import { type BaseGit, inBase } from './base-git.ts'
import type { Entry } from './changes.ts'

/** Name (bytes as latin1) to entry; a sub-folder has the mode 40000. */
export type Folder = ReadonlyMap<string, Entry>

export interface TreeReader {
  /** Loads many folders at once. */
  load(oids: readonly string[]): Promise<void>
  /** The same for folders known by their way from a tree (bytes as latin1); those it does not have are left out. */
  loadPaths(tree: string, paths: readonly string[]): Promise<void>
  /** @throws Error when it was not loaded */
  get(oid: string): Folder
}

export const FOLDER_MODE = '40000'

export const isFolderEntry = (entry: Entry | undefined | null): entry is Entry => entry?.mode === FOLDER_MODE

/** What it has read stays in memory: meant for one operation. */
export function createTreeReader(base: BaseGit): TreeReader {
  const folders = new Map<string, Folder>()
  const asked = new Set<string>()
  const read = async (wanted: readonly string[]) => {
    const names = wanted.filter((name) => !asked.has(name))
    if (names.length === 0) return
    for (const name of names) asked.add(name)
    const input = Buffer.from(names.map((name) => `${name}\n`).join(''), 'latin1')
    const output = await inBase(base, ['cat-file', '--batch'], { input })
    for (let at = 0; at < output.length; ) {
      const end = output.indexOf('\n', at)
      const header = output.toString('latin1', at, end)
      at = end + 1
      const known = /^([0-9a-f]+) (\w+) (\d+)$/.exec(header)
      if (known === null) continue // `<name> missing`
      const [, oid = '', type, size] = known
      if (type === 'tree') folders.set(oid, parseTree(output.subarray(at, at + Number(size)), oid.length / 2))
      at += Number(size) + 1
    }
  }
  return {
    load: async (oids) => {
      const missing = [...new Set(oids)].filter((oid) => !folders.has(oid))
      if (missing.length === 0) return
      await read(missing)
      const wrong = missing.find((oid) => !folders.has(oid))
      if (wrong !== undefined) throw new Error(`${wrong} is not a tree of this sandbox`)
    },
    // A name with a line break cannot be asked for; its folder is loaded when its id is known.
    loadPaths: (tree, paths) =>
      read(paths.filter((path) => !path.includes('\n')).map((path) => `${tree}:${path}`)),
    get: (oid) => {
      const folder = folders.get(oid)
      if (folder === undefined) throw new Error(`tree ${oid} was not loaded`)
      return folder
    },
  }
}

/** `<mode> <name>\0<oid bytes>`, again and again. */
function parseTree(content: Buffer, oidBytes: number): Folder {
  const folder = new Map<string, Entry>()
  let at = 0
  while (at < content.length) {
    const space = content.indexOf(' ', at)
    const end = content.indexOf(0, space)
    const name = content.toString('latin1', space + 1, end)
    const oid = content.toString('hex', end + 1, end + 1 + oidBytes)
    folder.set(name, { mode: content.toString('latin1', at, space), oid })
    at = end + 1 + oidBytes
  }
  return folder
}
