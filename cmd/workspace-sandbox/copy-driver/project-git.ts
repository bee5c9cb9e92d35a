/** Reads where a project stands in git. Only reading commands run against it, and without optional locks. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { firstLine, type Git, splitNul } from './git.ts'
import { rulesInSubFolder } from './ignore-rules.ts'

export interface ProjectGit {
  /** The object store all work trees of the repository share. */
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
  /** Files in the index although an ignore rule matches them, relative to the folder (bytes as latin1). */
  readonly trackedIgnored: readonly string[]
}

const COPIED_SETTINGS = '^(core\\.(autocrlf|eol|filemode|symlinks|ignorecase)|user\\.(name|email))$'

/** @returns null when the folder does not lie in a git work tree */
export async function readProjectGit(git: Git, folder: string): Promise<ProjectGit | null> {
  const read = (okCodes: readonly number[], ...args: string[]) =>
    git({ cwd: folder, args: ['--no-optional-locks', ...args], okCodes })
  const inside = await read([0, 128], 'rev-parse', '--is-inside-work-tree')
  if (inside.code !== 0 || firstLine(inside.stdout) !== 'true') return null

  const line = async (...args: string[]) => firstLine((await read([0], 'rev-parse', ...args)).stdout)
  const absolute = (...args: string[]) => line('--path-format=absolute', ...args)
  const prefix = await line('--show-prefix')
  const head = await read([0, 1], 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}')
  const branch = await read([0, 1], 'symbolic-ref', '--quiet', 'HEAD')
  const settings = await read([0, 1], 'config', '--local', '--null', '--get-regexp', COPIED_SETTINGS)
  const tracked = await read([0], 'ls-files', '-z', '--cached', '--ignored', '--exclude-standard')
  return {
    objectsDir: join(await absolute('--git-common-dir'), 'objects'),
    objectFormat: await line('--show-object-format'),
    head: firstLine(head.stdout) || null,
    branch: firstLine(branch.stdout) || null,
    prefix,
    outerRules: await readOuterRules(await absolute('--git-path', 'info/exclude'), folder, prefix),
    shallow: await readIfPresent(await absolute('--git-path', 'shallow')),
    settings: splitNul(settings.stdout).map((each) => {
      const end = each.indexOf('\n')
      return end < 0
        ? [each, 'true']
        : [each.slice(0, end), Buffer.from(each.slice(end + 1), 'latin1').toString()]
    }),
    trackedIgnored: splitNul(tracked.stdout),
  }
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
