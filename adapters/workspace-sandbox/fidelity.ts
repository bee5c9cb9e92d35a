/**
 * What the real service cannot land as it is in the sandbox (its contract, section 0): it would write an empty
 * file for a new binary, fail on links, and count a changed mode as landed without changing it. It does not
 * list what was in a folder that was removed, made again or not, and so never removes it from the project.
 */
import { lstat, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { SandboxFile } from '../../internal/sandbox/port.ts'
import { type FileState, type States, stateAt } from './file-state.ts'

export interface Obstacle {
  readonly path: string
  readonly why: string
}

/** @param diffText the unified diff of the service, which names what it takes for binary */
export function findObstacles(
  files: readonly SandboxFile[],
  view: States,
  project: States,
  diffText: string,
): Obstacle[] {
  const binaryLines = new Set(diffText.split('\n').filter((line) => line.startsWith('Binary file')))
  return files.flatMap((file) => {
    const { path } = file
    const isBinary =
      binaryLines.has(`Binary file ${path}`) || binaryLines.has(`Binary files a/${path} and b/${path} differ`)
    const why = isBinary ? 'binary' : obstacle(stateAt(view, path), stateAt(project, path))
    return why === null ? [] : [{ path, why }]
  })
}

function obstacle(view: FileState, project: FileState): string | null {
  const kinds = [view.kind, project.kind]
  if (kinds.includes('link')) return 'a symbolic link'
  if (kinds.includes('folder') || kinds.includes('other')) return 'not a plain file'
  if (!view.isText || !project.isText) return 'binary, or not UTF-8'
  const bothFiles = view.kind === 'file' && project.kind === 'file'
  return bothFiles && view.executable !== project.executable ? 'a changed file mode' : null
}

/**
 * Names that the project has and the view does not, beside or above the listed files, without being listed.
 * Only for overlays, whose view shows everything that nobody removed.
 */
export async function findUnlisted(
  files: readonly SandboxFile[],
  mergedDir: string,
  projectRoot: string,
): Promise<Obstacle[]> {
  const listed = new Set(files.map(({ path }) => path))
  const folders = new Set(files.flatMap(({ path }) => foldersAbove(path)))
  const found: Obstacle[] = []
  for (const folder of folders) {
    const shown = new Set(await namesIn(join(mergedDir, folder)))
    for (const name of await namesIn(join(projectRoot, folder))) {
      const path = join(folder, name)
      if (shown.has(name) || listed.has(path) || folders.has(path) || path === '.git') continue
      found.push({ path, why: 'removed, but not listed' })
    }
  }
  return found
}

/** From the nearest to the project root, which is `.`. */
function foldersAbove(path: string): string[] {
  const above = dirname(path)
  return above === '.' ? ['.'] : [above, ...foldersAbove(above)]
}

/** None for what is no folder: its own path tells about that. */
async function namesIn(folder: string): Promise<string[]> {
  const info = await lstat(folder).catch(() => null)
  return info?.isDirectory() ? readdir(folder).catch(() => []) : []
}
