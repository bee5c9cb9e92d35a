/** Finds the native opencode program behind a configured command. */
import { closeSync, openSync, readSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { findProgram } from '../../../internal/process/find-program.ts'

export interface OpencodeProgram {
  /** Absolute path of what to run. */
  readonly file: string
  /** What must be readable for it to run. */
  readonly readable: readonly string[]
}

/** The package that runs on every machine of this platform: the x64 builds without `-baseline` need AVX2. */
export const nativePackages = (platform: string, arch: string): string[] => {
  const name = `opencode-${platform}-${arch}`
  return arch === 'x64' ? [`${name}-baseline`, name] : [name]
}

/**
 * Resolves a command to the program itself: npm installs a launcher script (or, since its install script ran, a
 * link to the program) under the name `opencode`; the program behind it starts faster and needs no Node.
 * @param options.command a name or an absolute path
 * @param options.path colon list of folders to search
 * @returns null when there is no such command; the command itself when no program is found behind it
 */
export function findOpencode(options: {
  readonly command: string
  readonly path: string
}): OpencodeProgram | null {
  const found = findProgram(options.command, options.path)
  if (found === null) return null
  const file = realpathSync(found)
  if (!isScript(file)) return { file, readable: [file] }
  const native = behindScript(file)
  if (native !== null) return { file: native, readable: [native] }
  return { file: found, readable: [...new Set([dirname(found), dirname(dirname(file))])] }
}

/** npm puts the packages of the platform beside `opencode-ai`, or below it. */
function behindScript(script: string): string | null {
  for (let folder = dirname(script); folder !== dirname(folder); folder = dirname(folder))
    for (const name of nativePackages(process.platform, process.arch)) {
      const file = findProgram(join(folder, 'node_modules', name, 'bin', 'opencode'), '')
      if (file !== null) return realpathSync(file)
    }
  return null
}

function isScript(file: string): boolean {
  const start = Buffer.alloc(2)
  try {
    const handle = openSync(file, 'r')
    try {
      readSync(handle, start, 0, 2, 0)
    } finally {
      closeSync(handle)
    }
  } catch {
    return false // it may be run but not read: no script could be
  }
  return start.toString('latin1') === '#!'
}
