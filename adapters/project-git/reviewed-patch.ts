/** The reviewed patch, applied to what HEAD has: for files that also hold somebody's uncommitted work. */
import { sectionOf } from '../../internal/approval/diff.ts'
import { names } from './entries.ts'
import type { Repository } from './repository.ts'

/** More than these are not looked at one by one: the message would not get better. */
const MAX_TRIALS = 50

interface Reviewed {
  readonly patch: string
  /** From the top level to the project root, which the names in the patch start at. */
  readonly prefix: string
}

/** Relative to the project root. Applies the sections of `paths` in `index`; false when one does not fit. */
export async function applySections(
  { git }: Repository,
  index: string,
  { patch, prefix }: Reviewed,
  paths: readonly string[],
): Promise<boolean> {
  const input = sectionOf(patch, paths)
  if (input === '') return false
  const { code } = await git(applyArguments(prefix), { index, input, codes: [0, 1, 128] })
  return code === 0
}

/** Those of `paths` whose sections do not fit `index`. Changes nothing. */
export async function misfits(
  { git }: Repository,
  index: string,
  { patch, prefix }: Reviewed,
  paths: readonly string[],
): Promise<string[]> {
  if (paths.length > MAX_TRIALS) return [...paths]
  const misfit: string[] = []
  for (const path of paths) {
    const input = sectionOf(patch, [path])
    const args = [...applyArguments(prefix), '--check']
    const fits = input !== '' && (await git(args, { index, input, codes: [0, 1, 128] })).code === 0
    if (!fits) misfit.push(path)
  }
  return misfit
}

/** Names in which two trees, or a tree and an index, differ; from the top level. */
export async function changedNames(
  { git }: Repository,
  from: string,
  to: { readonly index: string } | { readonly tree: string },
): Promise<string[]> {
  const how = ['-z', '-r', '--name-only', '--no-renames']
  const { stdout } =
    'index' in to
      ? await git(['diff-index', '--cached', ...how, from], { index: to.index })
      : await git(['diff-tree', ...how, from, to.tree])
  return names(stdout)
}

function applyArguments(prefix: string): string[] {
  // The last two stand above apply.whitespace and apply.ignoreWhitespace of the project.
  const args = ['apply', '--cached', '--whitespace=nowarn', '--no-ignore-whitespace']
  return prefix === '' ? args : [...args, `--directory=${prefix}`]
}
