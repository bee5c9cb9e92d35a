/** Which paths a sandbox holds, and whom that stops (section 9 of the contract). */
import { isAbsolute, relative, resolve, sep } from 'node:path'
import type { Row } from './row.ts'

export interface Clash {
  readonly sandboxId: string
  /** The path the other sandbox holds. */
  readonly scope: string
  readonly conflictType: 'exact' | 'new_contains_existing' | 'existing_contains_new'
}

/** Both absolute and normalised. */
export function contains(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way === '' || (!isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`))
}

/** Nested paths collapse to the outermost. */
export function outermost(paths: readonly string[]): string[] {
  const unique = [...new Set(paths)]
  return unique.filter((path) => !unique.some((other) => other !== path && contains(other, path)))
}

/**
 * A path of a request, made absolute inside the real project root.
 * @param sentRoot the root as the caller spelled it; it may lead over symlinks
 */
export function resolveInProject(realRoot: string, sentRoot: string, path: string): string {
  if (isAbsolute(path) && contains(resolve(sentRoot), resolve(path))) {
    return resolve(realRoot, relative(resolve(sentRoot), resolve(path)))
  }
  return resolve(realRoot, path)
}

/** @param wanted absolute prefixes; empty clashes with nobody */
export function findClashes(rows: readonly Row[], wanted: readonly string[], self: string): Clash[] {
  return rows
    .filter((row) => row.id !== self && (row.status === 'creating' || row.status === 'active'))
    .flatMap((row) =>
      wanted.flatMap((mine) => row.reservedPaths.flatMap((theirs) => clash(row.id, mine, theirs))),
    )
}

function clash(sandboxId: string, mine: string, theirs: string): Clash[] {
  if (mine === theirs) return [{ sandboxId, scope: theirs, conflictType: 'exact' }]
  if (contains(mine, theirs)) return [{ sandboxId, scope: theirs, conflictType: 'new_contains_existing' }]
  if (contains(theirs, mine)) return [{ sandboxId, scope: theirs, conflictType: 'existing_contains_new' }]
  return []
}
