/** What counts as part of a sandbox, decided once when it is made. */
import { lstat, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { type BaseGit, inBase } from './base-git.ts'
import { splitNul } from './git.ts'
import { BUILTIN_RULES, flattenRules, type RuleFile } from './ignore-rules.ts'
import type { ProjectGit } from './project-git.ts'

/** The rules from outside the workspace's ignore files. Git finds them from now on. */
export async function writeOuterRules(base: BaseGit, project: ProjectGit | null): Promise<string> {
  const outer =
    project === null
      ? ((await readText(join(base.workspace, '.agentignore'))) ?? BUILTIN_RULES)
      : project.outerRules
  await mkdir(join(base.dir, 'info'), { recursive: true })
  await writeFile(join(base.dir, 'info', 'exclude'), outer)
  return outer
}

/** The rules that decide for the sandbox's whole life, weakest first. @param outer of {@link writeOuterRules} */
export async function effectiveRules(
  base: BaseGit,
  outer: string,
  ignoreFiles: readonly string[],
): Promise<string> {
  const walked = await notIgnored(base, ignoreFiles.map(dirname))
  const files: RuleFile[] = []
  for (const file of ignoreFiles) {
    const folder = dirname(file)
    if (!walked.has(folder)) continue
    const text = await readText(join(base.workspace, file))
    if (text !== null) files.push({ folder: folder === '.' ? '' : folder, text })
  }
  return `${outer}\n${flattenRules(files)}`
}

/** The folders git walks into: an ignore file in an ignored folder (node_modules) has no effect. */
async function notIgnored(base: BaseGit, folders: readonly string[]): Promise<ReadonlySet<string>> {
  const inner = folders.filter((folder) => folder !== '.')
  const ignored = new Set<string>()
  if (inner.length > 0) {
    // With `./` a name that starts with a colon is not taken for a pathspec.
    const input = Buffer.from(inner.map((folder) => `./${folder}\0`).join(''))
    const output = await inBase(base, ['check-ignore', '--no-index', '-z', '--stdin'], {
      input,
      okCodes: [0, 1],
    })
    for (const folder of splitNul(output)) ignored.add(Buffer.from(folder, 'latin1').toString().slice(2))
  }
  return new Set(folders.filter((folder) => !ignored.has(folder)))
}

/** Those of the paths (bytes as latin1) that are files or links in the copy. */
export async function presentFiles(workspace: string, paths: readonly string[]): Promise<string[]> {
  const present: string[] = []
  for (const path of paths) {
    const file = Buffer.concat([Buffer.from(`${workspace}/`), Buffer.from(path, 'latin1')])
    const info = await lstat(file).catch(() => null) // deleted in the work tree: not there to be taken
    if (info !== null && !info.isDirectory()) present.push(path)
  }
  return present
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EISDIR')) return null
    throw error
  }
}
