/** The small git project that the agent works on. */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const FILES = {
  'README.md': '# Greeter\n\nSays hello.\n',
  'package.json': '{ "name": "greeter", "type": "module", "scripts": { "test": "node --test" } }\n',
  'src/greet.js': "export function greet(name) {\n  return 'Hello ' + name\n}\n",
}

export interface DemoProject {
  readonly folder: string
  /** `git log -1` with its files, as a person would look at it. */
  lastCommit(): Promise<string>
}

export async function makeProject(folder: string, path: string): Promise<DemoProject> {
  const git = async (...args: string[]): Promise<string> => {
    const env = { PATH: path, HOME: folder, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C.UTF-8' }
    const { stdout } = await promisify(execFile)('git', args, { cwd: folder, env, timeout: 30_000 })
    return stdout
  }
  for (const [name, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '.')
  await git(
    '-c',
    'user.name=Demo',
    '-c',
    'user.email=demo@example.org',
    'commit',
    '--quiet',
    '-m',
    'A greeter',
  )
  return { folder, lastCommit: () => git('log', '-1', '--stat', '--format=fuller') }
}
