/** Which of a sandbox's changes an approval takes: all, some files, or some hunks of some files. */
import type { Acceptance } from './acceptance.ts'
import { badRequest } from './failure.ts'
import { type BaseGit, inBase } from './git-base/base-git.ts'
import type { Change, Entry } from './git-base/changes.ts'
import { firstLine } from './git-base/git.ts'
import { applyHunks, chosenHunks, type LineRange, readHunks } from './hunks.ts'
import type { ApproveBody } from './request-body.ts'
import { fileIdOf } from './wire.ts'

export interface Judged {
  readonly change: Change
  readonly acceptance: Acceptance
}

/** @throws ServiceFailure 400 when nothing is named where something has to be */
export function refuseEmptyChoice(body: ApproveBody): void {
  if (body.mode === 'files' && !body.fileIds?.length)
    throw badRequest('mode files needs at least one id in fileIds')
  if (body.mode === 'hunks' && !body.hunkRanges?.length)
    throw badRequest('mode hunks needs at least one range in hunkRanges')
}

/**
 * The files to land. Only mode all leaves out what the rules do not accept; else one such file is a refusal.
 * @throws ServiceFailure 400
 */
export function chooseFiles(sandboxId: string, judged: readonly Judged[], body: ApproveBody): Change[] {
  const named = namedFiles(body)
  const selected = judged.filter((each) => named?.has(fileIdOf(sandboxId, each.change.path)) ?? true)
  if (body.overrideAcceptance) return selected.map((each) => each.change)
  const accepted = selected.filter((each) => each.acceptance.status === 'accepted')
  if (body.mode !== 'all' && accepted.length < selected.length) {
    const refused = selected.filter((each) => each.acceptance.status !== 'accepted')
    throw badRequest(
      `not accepted by the sandbox's rules: ${refused.map((each) => each.change.path).join(', ')}`,
    )
  }
  return accepted.map((each) => each.change)
}

/** Ids of the files to look at; null: every one. */
function namedFiles(body: ApproveBody): ReadonlySet<string> | null {
  if (body.mode === 'files') return new Set(body.fileIds)
  if (body.mode === 'hunks') return new Set(body.hunkRanges?.map((range) => range.fileId))
  return null
}

/**
 * The part of each change that the ranges choose; files without a chosen hunk are left out. What has no hunks (a
 * binary file, a link, a mode, an empty file) is taken whole as soon as a range names the file.
 * @param base holds both sides of the changes; the new contents are written to it
 */
export async function chooseHunks(
  base: BaseGit,
  trees: { readonly from: string; readonly to: string },
  sandboxId: string,
  changes: readonly Change[],
  body: ApproveBody,
): Promise<Change[]> {
  const chosen: Change[] = []
  for (const change of changes) {
    const id = fileIdOf(sandboxId, change.path)
    const ranges = (body.hunkRanges ?? []).filter((range) => range.fileId === id)
    const part = await partOf(base, trees, change, ranges)
    if (part !== null) chosen.push(part)
  }
  return chosen
}

async function partOf(
  base: BaseGit,
  trees: { readonly from: string; readonly to: string },
  change: Change,
  ranges: readonly LineRange[],
): Promise<Change | null> {
  const { path, before, after } = change
  const hunks = readHunks(await patchOf(base, trees, path))
  if (hunks.length === 0 || isLink(before) || isLink(after)) return change
  const wanted = chosenHunks(hunks, ranges)
  if (wanted.length === 0) return null
  if (wanted.length === hunks.length || before === null || after === null) return change
  const content = applyHunks(await contentOf(base, before), await contentOf(base, after), wanted)
  // A changed mode comes with the last of the hunks: until then the file is as executable as it was.
  return { path, before, after: { mode: before.mode, oid: await store(base, content) } }
}

const isLink = (entry: Entry | null): boolean => entry?.mode === '120000'

/** Printed with the options of the diff the caller chose from, so that the hunks are the same ones. */
async function patchOf(
  base: BaseGit,
  trees: { readonly from: string; readonly to: string },
  path: string,
): Promise<string> {
  const format = ['--no-renames', '--no-ext-diff', '--no-textconv', '--no-color', '--full-index', '-U3']
  const args = ['--literal-pathspecs', 'diff-tree', '-r', '-p', ...format, trees.from, trees.to, '--', path]
  return (await inBase(base, args)).toString('latin1')
}

const contentOf = (base: BaseGit, entry: Entry): Promise<Buffer> =>
  inBase(base, ['cat-file', 'blob', entry.oid])

const store = async (base: BaseGit, content: Buffer): Promise<string> =>
  firstLine(await inBase(base, ['hash-object', '-w', '--stdin'], { input: content }))
