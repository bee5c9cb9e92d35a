/** A real git project in a temporary folder, and what the sandbox gives of an agent's work in it. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { CommitPlan, CommitRequest, ProjectRepo } from '../../internal/approval/project-port.ts'

export const PATH = process.env['PATH'] ?? '/usr/bin:/bin'
export const MESSAGE =
  'Teach the parser dates\n\nWhy it matters.\n\nAgent-Manager-Run: r1\nApproved-by: ann\n'

export function git(cwd: string, ...args: string[]): string {
  const config = [
    ['safe.directory', '*'],
    ['protocol.file.allow', 'always'],
    ['user.name', 'Olga'],
    ['user.email', 'olga@example.org'],
  ].flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const env = { PATH, HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' }
  return execFileSync('git', [...config, ...args], {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

export function head(cwd: string): string {
  return git(cwd, 'rev-parse', 'HEAD').trim()
}

export function commitAll(cwd: string, message: string): void {
  git(cwd, 'add', '-A')
  git(cwd, 'commit', '-q', '--no-verify', '--no-gpg-sign', '-m', message)
}

export function filesOf(cwd: string, commit: string): string[] {
  const listed = git(cwd, 'diff-tree', '-r', '-z', '--root', '--no-commit-id', '--name-only', commit)
  return listed.split('\0').slice(0, -1).sort()
}

export function status(cwd: string): string {
  return git(cwd, 'status', '--porcelain', '-uall')
}

export function put(root: string, path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

export function read(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function lines(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, at) => `line ${from + at}\n`).join('')
}

export function edit(root: string, path: string, from: string, to: string): void {
  put(root, path, read(root, path).replace(from, to))
}

/** `base` holds `project`, a repository with one commit of three files; the caller removes `base`. */
export function makeProject(): { base: string; project: string } {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'project-git-')))
  // A repository of another user has to be reachable for that user.
  chmodSync(base, 0o755)
  const project = join(base, 'project')
  mkdirSync(project)
  git(project, 'init', '-q', '-b', 'main')
  put(project, 'a.txt', lines(1, 30))
  put(project, 'docs/b.txt', 'bee\n')
  put(project, 'run.sh', 'echo\n')
  commitAll(project, 'first')
  return { base, project }
}

export interface AgentChange {
  readonly request: CommitRequest
  /** Puts the agent's files where the sandbox service would put them. */
  land(): void
}

/** A copy of the project's files as they are, in which `work` is done; its diff and its landing. */
export function agentChange(root: string, work: (copy: string) => void): AgentChange {
  const copy = mkdtempSync(join(tmpdir(), 'project-git-copy-'))
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }))
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('/.git') })
  git(copy, 'init', '-q')
  // The sandbox sees bytes: no attribute of the project converts anything here.
  put(copy, '.git/info/attributes', '* -text -filter\n')
  git(copy, 'add', '-A', '-f')
  git(copy, 'commit', '-q', '--allow-empty', '-m', 'base')
  work(copy)
  git(copy, 'add', '-A', '-f')
  const range = ['--cached', '--no-renames', '--no-ext-diff']
  const paths = git(copy, 'diff', ...range, '--name-only', '-z')
    .split('\0')
    .slice(0, -1)
  const patch = sandboxFormat(git(copy, '-c', 'core.quotePath=false', 'diff', ...range))
  const author = 'Ann Lee <ann@agent-manager.local>'
  return {
    request: { projectRoot: root, paths, patch, message: MESSAGE, author },
    land: () => landFiles(copy, root, paths),
  }
}

function landFiles(copy: string, root: string, paths: readonly string[]): void {
  const kept = new Set(git(copy, 'ls-files', '-z').split('\0'))
  for (const path of paths) rmSync(join(root, path), { recursive: true, force: true })
  for (const path of paths.filter((each) => kept.has(each))) {
    const [from, to] = [join(copy, path), join(root, path)]
    mkdirSync(dirname(to), { recursive: true })
    if (lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from), to)
    else cpSync(from, to)
  }
}

/** The sandbox service writes no index lines and no tab behind a name with blanks. */
function sandboxFormat(patch: string): string {
  return patch.replace(/^index .*\n/gm, '').replace(/^((?:---|\+\+\+) .*)\t$/gm, '$1')
}

export async function planned(repo: ProjectRepo, request: CommitRequest): Promise<CommitPlan> {
  const result = await repo.plan(request)
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`)
  return result.plan
}

/** Up to the point where the commit exists and nobody knows it; the plan goes through JSON, as in the database. */
export async function written(
  repo: ProjectRepo,
  { request, land }: AgentChange,
): Promise<{ commit: string; plan: CommitPlan }> {
  const plan: CommitPlan = JSON.parse(JSON.stringify(await planned(repo, request)))
  land()
  return { commit: await repo.write(request, plan), plan }
}

/** Plan, land, write, publish. */
export async function approve(
  repo: ProjectRepo,
  change: AgentChange,
): Promise<{ commit: string; plan: CommitPlan }> {
  const done = await written(repo, change)
  const published = await repo.publish(change.request, done.plan, done.commit)
  if (published !== 'ok') throw new Error(`published: ${published}`)
  return done
}
