/** Paths as the diff names them (from the project root), and as git here names them (from the top level). */
import { AppError } from '../../internal/errors.ts'

const MAX_NAMED = 5

/** Throws SANDBOX_OPERATION: a diff that names such a path is broken or hostile, whatever else it says. */
export function assertInside(path: string): void {
  const parts = path.split('/')
  const leaves = parts.some((part) => ['', '.', '..'].includes(part) || part.toLowerCase() === '.git')
  if (leaves || path.includes('\0')) {
    throw new AppError(
      'SANDBOX_OPERATION',
      `the diff names ${JSON.stringify(path)}, which is no path of the project`,
    )
  }
}

export function fromTop(prefix: string, paths: readonly string[]): string[] {
  return paths.map((path) => prefix + path)
}

/** For a message: the first few names, quoted. */
export function list(paths: readonly string[]): string {
  const named = paths.slice(0, MAX_NAMED).map((path) => JSON.stringify(path))
  const more = paths.length - named.length
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${more} more`
}
