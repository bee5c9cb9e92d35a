/** Finds a program the way execvp does, but before anything is started and without the process's own PATH. */
import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'

/**
 * The absolute path of a program.
 * @param name an absolute path, or a bare name that is looked up
 * @param path colon list of absolute folders; relative ones are skipped
 * @returns null when there is no such executable file
 */
export function findProgram(name: string, path: string): string | null {
  if (isAbsolute(name)) return isExecutable(name) ? name : null
  if (name === '' || name.includes('/')) return null
  for (const folder of path.split(':')) {
    if (!isAbsolute(folder)) continue
    const file = join(folder, name)
    if (isExecutable(file)) return file
  }
  return null
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false // absent, not ours to run, or a broken link: the same answer
  }
}
