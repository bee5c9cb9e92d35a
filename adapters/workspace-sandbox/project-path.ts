/** Paths that a service names, before anything is read there. */

/** Relative, and nowhere upwards or into git's own folder. */
export function isProjectPath(path: string): boolean {
  if (path.includes('\0')) return false
  const parts = path.split('/')
  return parts.every((part) => part !== '' && part !== '.' && part !== '..') && parts[0] !== '.git'
}

/** For a sentence: the first few, and how many more there are. */
export function nameSome(paths: readonly string[]): string {
  const shown = paths.slice(0, 10).join(', ')
  return paths.length > 10 ? `${shown} and ${paths.length - 10} more` : shown
}
