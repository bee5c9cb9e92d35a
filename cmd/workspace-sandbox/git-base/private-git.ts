/**
 * Gives the agent's workspace a git repository of its own: own refs, index and config, no remotes, no hooks.
 * Objects are borrowed read-only from the project through `objects/info/alternates`, so nothing the agent does
 * with git can reach the project's repository. After this the service never runs git on that repository again: its
 * config then belongs to the agent.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyIndex } from './copy-index.ts'
import { firstLine, type Git } from './git.ts'
import type { ProjectGit } from './project-git.ts'
import { layOutRepository, writeRef } from './repository-layout.ts'

/**
 * @param indexFile copied when given: it knows the files' stat data, so the agent's first `git status` reads no
 * file. Only right where the workspace shows the project's own files.
 */
export async function makePrivateGit(
  git: Git,
  project: ProjectGit,
  workspace: string,
  indexFile: string | null = null,
): Promise<void> {
  const gitDir = join(workspace, '.git')
  await layOut(gitDir, project)
  if (indexFile !== null) await copyIndex(indexFile, join(gitDir, 'index'))
  if (project.head === null) return

  const commit = project.prefix === '' ? project.head : await commitOfSubFolder(git, project, workspace)
  await writeRef(gitDir, project.branch ?? 'HEAD', commit)
  if (indexFile === null) await git({ cwd: workspace, args: ['read-tree', commit] })
}

async function layOut(gitDir: string, project: ProjectGit): Promise<void> {
  const { objectFormat, branch, settings } = project
  const config = settings.map(settingText).join('')
  await layOutRepository(gitDir, { objectFormat, bare: false, head: branch ?? 'refs/heads/main', config })
  await borrowObjects(gitDir, project.objectsDir)
  await writeFile(join(gitDir, 'info', 'exclude'), project.outerRules)
  if (project.shallow !== null) await writeFile(join(gitDir, 'shallow'), project.shallow)
}

/** The sub-folder's own history starts here: one commit with its tree (empty when HEAD has no such folder). */
async function commitOfSubFolder(git: Git, project: ProjectGit, workspace: string): Promise<string> {
  const name = `${project.head}:${project.prefix.replace(/\/$/, '')}`
  const ask = async (okCodes: readonly number[], ...args: string[]) =>
    firstLine((await git({ cwd: workspace, args, okCodes })).stdout)
  const isTree = (await ask([0, 1, 128], 'cat-file', '-t', name)) === 'tree'
  const tree = isTree ? await ask([0], 'rev-parse', '--verify', name) : await ask([0], 'mktree')
  const message = `Base of the sandbox: ${project.prefix} at ${project.head}`
  return ask([0], 'commit-tree', tree, '-m', message)
}

/** @param gitDir absolute path of a repository of ours */
export async function borrowObjects(gitDir: string, objectsDir: string): Promise<void> {
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true })
  await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${quote(objectsDir)}\n`)
}

/** @param setting a name of two parts, and its value */
function settingText([name, value]: readonly [string, string]): string {
  const [section = '', key = ''] = name.split('.')
  return `[${section}]\n\t${key} = ${quote(value)}\n`
}

/** Always quoted: an unquoted path could start with `#`, hold a line break, or lose its last blank. */
const quote = (text: string): string =>
  `"${text.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n').replace(/\t/g, '\\t')}"`
