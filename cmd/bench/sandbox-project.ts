/** A git project of a given size, with ignored files beside it that take no space on the disk. */
import { execFile } from 'node:child_process'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const FILES_PER_FOLDER = 100
/** 2 GB in all. */
const IGNORED_FILES = 2_000
const IGNORED_BYTES = 1024 * 1024

/** @param number from 0 */
export function pathOfFile(number: number): string {
  const folder = Math.floor(number / FILES_PER_FOLDER)
  return `src/part-${Math.floor(folder / 100)}/mod-${folder}/file-${number}.txt`
}

/** @param root absolute path that does not exist  @param files tracked files */
export async function makeProject(root: string, files: number): Promise<void> {
  await mkdir(root)
  const made = new Set<string>()
  for (let number = 0; number < files; number += 1) {
    const file = join(root, pathOfFile(number))
    if (!made.has(dirname(file))) await mkdir(dirname(file), { recursive: true })
    made.add(dirname(file))
    await writeFile(file, `file ${number}\nof the benchmark\n`)
  }
  await writeFile(join(root, '.gitignore'), 'node_modules/\n')
  await makeIgnored(join(root, 'node_modules'))
  await git(root, 'init', '--quiet')
  await git(root, 'add', '--all')
  await git(root, 'commit', '--quiet', '--message', 'benchmark')
  await git(root, 'repack', '-a', '-d', '--quiet') // as a repository of this size would be
}

async function makeIgnored(folder: string): Promise<void> {
  for (let number = 0; number < IGNORED_FILES; number += 1) {
    const place = join(folder, `package-${Math.floor(number / 20)}`)
    await mkdir(place, { recursive: true })
    const handle = await open(join(place, `file-${number}.bin`), 'w')
    await handle.truncate(IGNORED_BYTES) // a hole: no blocks are written
    await handle.close()
  }
}

async function git(cwd: string, ...args: string[]): Promise<void> {
  const identity = ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org', '-c', 'gc.auto=0']
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' }
  await promisify(execFile)('git', [...identity, ...args], { cwd, env })
}
