/** Where a call would go: the path it names, and whether that lies in what the agent may use. */
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { ourToolName } from './tool-names.ts'
import type { CanUseTool } from './wire.ts'

export interface Reach {
  readonly reach: 'inside' | 'outside'
  /** Absolute, links followed; null: the call names none. */
  readonly path: string | null
}

/** They talk to the rest of the world. */
const LEAVING = ['web_fetch', 'web_search']

/**
 * Commands count as inside: what they may touch is the container's business.
 * @param cwd where relative paths begin
 * @param own folders the agent may use, absolute
 */
export async function reachOf(asked: CanUseTool, cwd: string, own: readonly string[]): Promise<Reach> {
  const name = ourToolName(asked.tool_name)
  if (LEAVING.includes(name)) return { reach: 'outside', path: null }
  const named = name === 'shell' ? null : pathOf(asked)
  if (named === null) return { reach: 'inside', path: null }
  const path = await followLinks(resolve(cwd, named))
  const folders = await Promise.all(own.map(followLinks))
  return { reach: folders.some((folder) => isWithin(path, folder)) ? 'inside' : 'outside', path }
}

function pathOf({ input, blocked_path: blocked }: CanUseTool): string | null {
  const named = [input['file_path'], input['notebook_path'], input['path'], blocked].find(
    (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
  )
  return typeof named === 'string' ? named : null
}

/** The path with the links of all that exists of it followed. */
export async function followLinks(path: string): Promise<string> {
  const rest: string[] = []
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      return join(await realpath(folder), ...rest)
    } catch {
      // Not there, or not ours to look at: what is above it decides.
      if (dirname(folder) === folder) return path
      rest.unshift(basename(folder))
    }
  }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith('../'))
}
