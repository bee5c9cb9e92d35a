/** Finds what runs have left: in the service, and in its data folder where that lies on this machine. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ApiError, type Client, type Run } from '../../../api/client/index.ts'
import { isId } from '../profiles.ts'
import { plural } from '../show/words.ts'

export interface Leftover {
  readonly kind: 'run' | 'home' | 'sandbox'
  /** Id of a run, path of a folder. */
  readonly name: string
  /** Milliseconds since 1970: when it was used last. */
  readonly since: number
  readonly why: string
  /** The service removes it when its time has come; agentctl leaves it alone. */
  readonly byItself: boolean
}

/** Folders that are looked at; more are a sign of something else. */
const MAX_FOLDERS = 10_000

/** @param before milliseconds since 1970; only what is older */
export async function findLeftovers(
  client: Client,
  dataDir: string | null,
  before: number,
): Promise<{ leftovers: Leftover[]; notes: string[] }> {
  const leftovers = await oldRuns(client, before)
  if (dataDir === null) return { leftovers, notes: [] }
  const homes = await foldersIn(join(dataDir, 'runs'))
  const sandboxes = await foldersIn(join(dataDir, 'sandboxes'))
  const known = await knownRuns(
    client,
    homes.map(({ id }) => id),
  )
  // Only a folder whose run the service knows proves that both belong together; else all would look left behind.
  if (known.size === 0) {
    const notes =
      homes.length === 0 ? [] : [`${join(dataDir, 'runs')} belongs to another service: left alone.`]
    return { leftovers, notes }
  }
  const orphans = homes
    .filter(({ id, since }) => !known.has(id) && since < before)
    .map(({ path, since }) => leftover('home', path, since, 'its run is gone'))
  const held = new Set([...known.values()].filter(isOpen).map((run) => run.sandbox_id))
  const left = sandboxes
    .filter(({ id, since }) => !held.has(id) && since < before)
    .map(({ path, since }) => ({
      ...leftover('sandbox', path, since, 'no open run holds it'),
      byItself: true,
    }))
  const notes =
    left.length === 0
      ? []
      : [`${plural(left.length, 'sandbox', 'sandboxes')}: the service removes them by itself.`]
  return { leftovers: [...leftovers, ...orphans, ...left], notes }
}

const leftover = (kind: Leftover['kind'], name: string, since: number, why: string): Leftover => ({
  kind,
  name,
  since,
  why,
  byItself: false,
})

const FINISHED = ['complete', 'failed', 'cancelled'] as const

const isOpen = ({ status }: Run): boolean => !FINISHED.some((name) => status.toLowerCase().endsWith(name))

async function oldRuns(client: Client, before: number): Promise<Leftover[]> {
  const found: Leftover[] = []
  for (const status of FINISHED) {
    for await (const run of client.runs.listAll({ status, pageSize: 1000 })) {
      const since = Date.parse(run.ended_at ?? run.updated_at)
      if (since < before) found.push(leftover('run', run.id, since, status))
    }
  }
  return found
}

interface Folder {
  readonly id: string
  readonly path: string
  readonly since: number
}

async function foldersIn(parent: string): Promise<Folder[]> {
  const names = (await readdir(parent).catch(() => [])).filter(isId).slice(0, MAX_FOLDERS) // no folder: nothing in it
  const folders = names.map(async (id) => {
    const path = join(parent, id)
    const found = await stat(path).catch(() => null) // it went meanwhile
    return found === null ? [] : [{ id, path, since: found.mtimeMs }]
  })
  return (await Promise.all(folders)).flat()
}

async function knownRuns(client: Client, ids: readonly string[]): Promise<Map<string, Run>> {
  const known = new Map<string, Run>()
  for (const id of ids) {
    try {
      known.set(id, await client.runs.get(id))
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'NOT_FOUND_RUN') throw error
    }
  }
  return known
}
