/** Small git projects for tests. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export function git(folder: string, ...args: string[]): string {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C.UTF-8' }
  return execFileSync('git', args, { cwd: folder, env, encoding: 'utf8' })
}

/** A repository with one commit of these files. */
export function makeGitProject(folder: string, files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  git(folder, 'init', '--quiet', '--initial-branch=main')
  git(folder, 'add', '.')
  git(folder, '-c', 'user.name=Dev', '-c', 'user.email=dev@example.org', 'commit', '--quiet', '-m', 'first')
  return folder
}

export const GREETER = {
  'README.md': '# Greeter\n',
  'src/greet.js': "export function greet(name) {\n  return 'Hello ' + name\n}\n",
}
