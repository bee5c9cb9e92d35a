/** Which folders of this machine a task may name. Nothing is ever created for a caller's path. */
import { access, constants, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { AppError } from './errors.ts'

export interface Scope {
  /** Real path of the project root, without symlinks. */
  readonly projectRoot: string
  /** The scope relative to it; '' is the root itself. It may not exist yet. */
  readonly scope: string
}

/**
 * @param roots folders that projects must lie in; empty: any
 * @throws VALIDATION_PROJECT_ROOT, VALIDATION_SCOPE with a sentence that names the field and the fix
 */
export async function resolveScope(
  task: { readonly projectRoot: string; readonly scopePath: string },
  roots: readonly string[],
): Promise<Scope> {
  const projectRoot = await realProjectRoot(task.projectRoot)
  if (roots.length > 0 && !(await liesInOneOf(projectRoot, roots))) {
    throw fault(
      'VALIDATION_PROJECT_ROOT',
      'project_root',
      `project_root ${task.projectRoot} lies outside the folders that AGENT_MANAGER_SAFETY_PROJECT_ROOTS allows.`,
    )
  }
  return { projectRoot, scope: scopeInside(task, projectRoot) }
}

async function realProjectRoot(given: string): Promise<string> {
  if (!isAbsolute(given)) {
    throw fault('VALIDATION_PROJECT_ROOT', 'project_root', 'project_root must be an absolute folder.')
  }
  let real: string
  try {
    real = await realpath(given)
    await access(real, constants.R_OK | constants.X_OK)
  } catch {
    throw fault(
      'VALIDATION_PROJECT_ROOT',
      'project_root',
      `project_root ${given} does not exist or cannot be read by this service: create it or name another folder.`,
    )
  }
  if (!(await stat(real)).isDirectory()) {
    throw fault('VALIDATION_PROJECT_ROOT', 'project_root', `project_root ${given} is not a folder.`)
  }
  if (real === sep)
    throw fault(
      'VALIDATION_PROJECT_ROOT',
      'project_root',
      'project_root cannot be the root of the file system.',
    )
  return real
}

async function liesInOneOf(folder: string, roots: readonly string[]): Promise<boolean> {
  for (const root of roots) {
    const real = await realpath(root).catch(() => null) // a root that does not exist allows nothing
    if (real !== null && liesIn(folder, real)) return true
  }
  return false
}

/** An absolute scope may name the root as the caller wrote it or as it really is. */
function scopeInside(task: { projectRoot: string; scopePath: string }, projectRoot: string): string {
  const bases = [projectRoot, resolve(task.projectRoot)]
  for (const base of bases) {
    const target = isAbsolute(task.scopePath) ? resolve(task.scopePath) : join(base, task.scopePath)
    if (liesIn(target, base)) return relative(base, target)
  }
  throw fault(
    'VALIDATION_SCOPE',
    'scope_path',
    `scope_path ${task.scopePath} leads out of project_root: give a path inside it.`,
  )
}

const liesIn = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)

const fault = (
  code: 'VALIDATION_PROJECT_ROOT' | 'VALIDATION_SCOPE',
  field: string,
  detail: string,
): AppError => new AppError(code, detail, { faults: [{ field, rule: 'path', message: detail }] })
