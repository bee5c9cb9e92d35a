/** Projects for sandbox tests: real git repositories in temporary folders, and readings of whole trees. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll } from 'vitest'

const run = promisify(execFile)

const GIT_ENV = {
  PATH: process.env['PATH'] ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
}

/** @returns stdout without its last line break */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', ['-c', 'protocol.file.allow=always', ...args], { cwd, env: GIT_ENV })
  return stdout.replace(/\n$/, '')
}

const made: string[] = []
afterAll(async () => {
  for (const folder of made) await rm(folder, { recursive: true, force: true })
})

/** An empty folder that is removed after the test file. */
export async function makeFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sandbox-project-')))
  made.push(folder)
  return folder
}

export async function writeFiles(root: string, files: Record<string, string | Buffer>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
}

/** 40 lines: `line 1` and so on. */
export const APP_TEXT = Array.from({ length: 40 }, (_, index) => `line ${index + 1}\n`).join('')

/** The project of the contract's checklist, committed. */
export async function makeProject(files: Record<string, string | Buffer> = {}): Promise<string> {
  const root = await makeFolder()
  await writeFiles(root, {
    'src/app.txt': APP_TEXT,
    'src/old.txt': 'to be removed\nsecond\n',
    'README.md': '# readme\n',
    'docs/a.md': 'a\n',
    ...files,
  })
  await git(root, 'init', '-q', '-b', 'main')
  await commitAll(root, 'base')
  return root
}

export async function commitAll(root: string, message: string): Promise<string> {
  await git(root, 'add', '-A')
  await git(root, 'commit', '-q', '-m', message)
  return git(root, 'rev-parse', 'HEAD')
}

/** Path -> mode and content (or link target) of everything below a folder, sorted. */
export async function readTree(root: string, skip: (path: string) => boolean = () => false) {
  const seen: Record<string, string> = {}
  const walk = async (folder: string, prefix: string) => {
    for (const name of (await readdir(folder)).toSorted()) {
      const path = `${prefix}${name}`
      if (skip(path)) continue
      const info = await lstat(join(folder, name))
      if (info.isSymbolicLink()) seen[path] = `-> ${await readlink(join(folder, name))}`
      else if (info.isDirectory()) await walk(join(folder, name), `${path}/`)
      else seen[path] = `${(info.mode & 0o777).toString(8)} ${digest(await readFile(join(folder, name)))}`
    }
  }
  await walk(root, '')
  return seen
}

const digest = (content: Buffer): string => createHash('sha256').update(content).digest('hex').slice(0, 16)

/** Makes writing in a folder fail, for root too. @returns how to undo it, or null where that cannot be done */
export async function closeFolder(folder: string): Promise<(() => Promise<void>) | null> {
  if (process.getuid?.() !== 0) {
    await chmod(folder, 0o555)
    return () => chmod(folder, 0o755)
  }
  try {
    await run('chattr', ['+i', folder])
    return () => run('chattr', ['-i', folder]).then(() => {})
  } catch {
    return null
  }
}

export const isGit = (path: string): boolean => path === '.git' || path.endsWith('/.git')
