/** Reads where a project stands in git. Only reading commands run against it, and without optional locks. */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { firstLine, type Git, splitNul } from './git.ts'
import { rulesInSubFolder } from './ignore-rules.ts'

export interface ProjectGit {
  /** The git folder all work trees of the repository share, absolute. */
  readonly commonDir: string
  /** The object store in it. */
  readonly objectsDir: string
  readonly objectFormat: string
  /** Commit of HEAD; null before the first commit. */
  readonly head: string | null
  /** `refs/heads/x`; null when HEAD is detached. */
  readonly branch: string | null
  /** Way from the top of the work tree to the folder: `''` or `a/b/`. */
  readonly prefix: string
  /** `info/exclude` and the ignore files above the folder, as they apply in it. */
  readonly outerRules: string
  /** Content of the repository's `shallow` file, or null. */
  readonly shallow: string | null
  /** Settings that decide how git compares files, and whom it commits as. */
  readonly settings: readonly (readonly [string, string])[]
  /** The index file, when a copy of it means the same anywhere: not shared, not sparse, of the whole folder. */
  readonly indexFile: string | null
}

const COPIED_SETTINGS = '^(core\\.(autocrlf|eol|filemode|symlinks|ignorecase)|user\\.(name|email))$'

/** @returns null when the folder does not lie in a git work tree */
export async function readProjectGit(git: Git, folder: string): Promise<ProjectGit | null> {
  const read = (okCodes: readonly number[], ...args: string[]) =>
    git({ cwd: folder, args: ['--no-optional-locks', ...args], okCodes })
  // All at once: outside a work tree (128) the first one says so.
  const [place, head, branch, settings] = await Promise.all([
    readPlace(git, folder),
    readHead(git, folder),
    read([0, 1, 128], 'symbolic-ref', '--quiet', 'HEAD'),
    read([0, 1, 128], 'config', '--local', '--null', '--get-regexp', COPIED_SETTINGS),
  ])
  if (place === null) return null
  if (branch.code === 128 || settings.code === 128)
    throw new Error(`git cannot read the repository of ${folder}`)
  const { commonDir, gitDir, prefix, objectFormat, exclude, shallow } = place
  return {
    commonDir,
    objectsDir: join(commonDir, 'objects'),
    objectFormat,
    head,
    branch: firstLine(branch.stdout) || null,
    prefix,
    outerRules: await readOuterRules(exclude, folder, prefix),
    shallow: await readIfPresent(shallow),
    settings: splitNul(settings.stdout).map(readSetting),
    indexFile: prefix === '' ? await portableIndex(gitDir) : null,
  }
}

/** In the order of the answer. */
const PLACE = {
  inside: ['--is-inside-work-tree'],
  objectFormat: ['--show-object-format'],
  prefix: ['--show-prefix'],
  gitDir: ['--absolute-git-dir'],
  commonDir: ['--path-format=absolute', '--git-common-dir'],
  exclude: ['--path-format=absolute', '--git-path', 'info/exclude'],
  shallow: ['--path-format=absolute', '--git-path', 'shallow'],
}

/** @returns null outside a work tree  @throws Error when a path of the repository holds a line break */
async function readPlace(git: Git, folder: string) {
  const args = ['--no-optional-locks', 'rev-parse', ...Object.values(PLACE).flat()]
  const { code, stdout } = await git({ cwd: folder, args, okCodes: [0, 128] })
  const lines = stdout.toString().replace(/\n$/, '').split('\n')
  const [inside, objectFormat = '', prefix = '', gitDir = '', commonDir = '', exclude = '', shallow = ''] =
    lines
  if (code !== 0 || inside !== 'true') return null
  if (lines.length !== Object.keys(PLACE).length)
    throw new Error('a project whose path holds a line break cannot have a sandbox')
  return { objectFormat, prefix, gitDir, commonDir, exclude, shallow }
}

/** Commit of HEAD; null before the first commit and outside git. */
export async function readHead(git: Git, folder: string): Promise<string | null> {
  const args = ['--no-optional-locks', 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}']
  return firstLine((await git({ cwd: folder, args, okCodes: [0, 1, 128] })).stdout) || null
}

/** Files in the index although an ignore rule matches them, relative to the folder (bytes as latin1). */
export async function readTrackedIgnored(git: Git, folder: string): Promise<string[]> {
  const args = ['--no-optional-locks', 'ls-files', '-z', '--cached', '--ignored', '--exclude-standard']
  return splitNul((await git({ cwd: folder, args })).stdout)
}

/** A split index needs a second file, and one of a sparse checkout lists folders instead of files. */
async function portableIndex(gitDir: string): Promise<string | null> {
  const names = await readdir(gitDir)
  const split = names.some((name) => name.startsWith('sharedindex.'))
  const sparse = (await readIfPresent(join(gitDir, 'info', 'sparse-checkout'))) !== null
  return names.includes('index') && !split && !sparse ? join(gitDir, 'index') : null
}

function readSetting(text: string): readonly [string, string] {
  const end = text.indexOf('\n')
  if (end < 0) return [text, 'true']
  return [text.slice(0, end), Buffer.from(text.slice(end + 1), 'latin1').toString()]
}

/** Weakest first: info/exclude, then the ignore file of each folder on the way down. */
async function readOuterRules(excludeFile: string, folder: string, prefix: string): Promise<string> {
  const way = prefix.split('/').filter((segment) => segment !== '')
  let rules = rulesInSubFolder((await readIfPresent(excludeFile)) ?? '', way)
  for (let above = way.length; above > 0; above -= 1) {
    let outer = folder
    for (let step = 0; step < above; step += 1) outer = dirname(outer)
    const text = (await readIfPresent(join(outer, '.gitignore'))) ?? ''
    rules += rulesInSubFolder(text, way.slice(way.length - above))
  }
  return rules
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return null
    throw error
  }
}
