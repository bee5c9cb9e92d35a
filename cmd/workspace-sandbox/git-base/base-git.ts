/**
 * The service's own repository of one sandbox. It compares the agent's copy with what the copy was at the start.
 * Files are taken as raw bytes: `info/attributes` outranks every attribute the agent can write, so no filter,
 * line-ending or encoding conversion ever runs.
 */
import { randomUUID } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { firstLine, type Git, joinNul, splitNul } from './git.ts'
import { borrowObjects } from './private-git.ts'
import { layOutRepository } from './repository-layout.ts'

export interface BaseGit {
  readonly git: Git
  /** `base.git`, out of the agent's sight. */
  readonly dir: string
  readonly workspace: string
}

const RAW_BYTES = '* -text !eol -ident -filter !working-tree-encoding !diff !merge !whitespace\n'
/** Repositories inside repositories deeper than this are refused, so that the search ends. */
const MAX_NESTED_REPOSITORIES_DEPTH = 20

/** @param objectsDir store to borrow objects from, or null outside git */
export async function initBaseGit(
  base: BaseGit,
  objectFormat: string,
  objectsDir: string | null,
): Promise<void> {
  await layOutRepository(base.dir, { objectFormat, bare: true, head: 'refs/heads/main' })
  await writeFile(join(base.dir, 'info', 'attributes'), RAW_BYTES)
  if (objectsDir !== null) await borrowObjects(base.dir, objectsDir)
}

/** Where the ignore rules of the sandbox's start are kept. */
export const rulesFile = (base: BaseGit): string => join(base.dir, 'sandbox-ignore')

/** Runs git on base.git with the agent's copy as work tree. */
export function inBase(
  base: BaseGit,
  args: readonly string[],
  more: { input?: Buffer; index?: string; okCodes?: readonly number[] } = {},
): Promise<Buffer> {
  const call = {
    cwd: base.workspace,
    args,
    env: {
      GIT_DIR: base.dir,
      GIT_WORK_TREE: base.workspace,
      GIT_INDEX_FILE: join(base.dir, more.index ?? 'index'),
    },
    ...(more.input === undefined ? {} : { input: more.input }),
    ...(more.okCodes === undefined ? {} : { okCodes: more.okCodes }),
  }
  return base.git(call).then((result) => result.stdout)
}

/** Clears a second index, and the lock a killed git may have left on it. @returns its name */
export async function emptyIndex(base: BaseGit, name: string): Promise<string> {
  await rm(join(base.dir, `${name}.lock`), { force: true })
  await rm(join(base.dir, name), { force: true })
  return name
}

/**
 * Reads the whole copy into the index and returns its tree. The index stays for the next time: git then reads
 * only files whose stat data moved.
 * @param alwaysIn paths to take although a rule ignores them (bytes as latin1)
 * @param seeRepository called with each repository inside the copy, as `a/b/`
 */
export async function readWorkspace(
  base: BaseGit,
  alwaysIn: readonly string[] = [],
  seeRepository: (path: string) => void = () => {},
): Promise<string> {
  // Only we write this index and one operation runs at a time, so a lock left by a killed git is stale.
  await rm(join(base.dir, 'index.lock'), { force: true })
  const tracked = await readTracked(base)
  await changeIndex(base, ['--force-remove'], tracked.gone)
  const { files, placeholders } = await listNewFiles(base, seeRepository)
  await changeIndex(base, ['--add', '--remove', '--replace'], [...tracked.changed, ...files, ...alwaysIn])
  await changeIndex(base, ['--force-remove'], placeholders)
  return firstLine(await inBase(base, ['write-tree']))
}

/** `git update-index` for many paths (bytes as latin1). */
export const changeIndex = async (
  base: BaseGit,
  how: readonly string[],
  paths: readonly string[],
  index = 'index',
): Promise<void> => {
  if (paths.length === 0) return
  await inBase(base, ['update-index', ...how, '-z', '--stdin'], { input: joinNul(paths), index })
}

/** Index entries whose file changed, and those whose file is gone or became a folder. */
async function readTracked(base: BaseGit): Promise<{ gone: string[]; changed: string[] }> {
  const fields = splitNul(await inBase(base, ['diff-files', '-z', '--raw', '--no-renames']))
  const gone: string[] = []
  const changed: string[] = []
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, newMode, , , status] = (fields[at] ?? '').split(' ')
    const path = fields[at + 1] ?? ''
    // 160000: a file became a repository; its files are listed as new ones.
    if (status === 'D' || newMode === '160000') gone.push(path)
    else changed.push(path)
  }
  return { gone, changed }
}

/**
 * Files not in the index that no rule ignores. Git stops at a repository inside the tree and names only its
 * folder; with one entry below that folder in the index it walks in as into any other, which is what we want: the
 * files of a clone the agent made are files.
 */
async function listNewFiles(
  base: BaseGit,
  seeRepository: (path: string) => void,
): Promise<{ files: string[]; placeholders: string[] }> {
  const placeholders: string[] = []
  for (let depth = 0; depth < MAX_NESTED_REPOSITORIES_DEPTH; depth += 1) {
    const args = ['ls-files', '-z', '--others', `--exclude-from=${rulesFile(base)}`]
    const files = splitNul(await inBase(base, args))
    const repositories = files.filter((path) => path.endsWith('/'))
    if (repositories.length === 0) return { files, placeholders }
    repositories.forEach(seeRepository)
    const added = repositories.map((path) => `${path}.placeholder-${randomUUID()}`)
    placeholders.push(...added)
    await addEmptyEntries(base, added)
  }
  throw new Error(`repositories are nested more than ${MAX_NESTED_REPOSITORIES_DEPTH} deep in the sandbox`)
}

async function addEmptyEntries(base: BaseGit, paths: readonly string[]): Promise<void> {
  const empty = firstLine(await inBase(base, ['hash-object', '-w', '--stdin']))
  const input = joinNul(paths.map((path) => `100644 ${empty}\t${path}`))
  await inBase(base, ['update-index', '-z', '--index-info'], { input })
}
