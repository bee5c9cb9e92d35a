/** Lands changes in the project, and takes it back when a write fails half way. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type BaseGit, emptyIndex, inBase } from './base-git.ts'
import type { Change } from './changes.ts'
import { land } from './land.ts'
import { findDrift, findUnlanded } from './project-files.ts'

export interface LandingStep {
  readonly base: BaseGit
  /** Folder of the sandbox, for staged contents. */
  readonly folder: string
  /** Unique per sandbox. */
  readonly mark: string
  /** Absolute real path of the project's folder. */
  readonly scope: string
  readonly changes: readonly Change[]
  /** True after a crash: paths that have landed already are fine. */
  readonly resumed: boolean
  readonly keepOwners: boolean
}

export type LandResult =
  | { readonly ok: true }
  /** Nothing was changed. */
  | { readonly ok: false; readonly reason: 'drift'; readonly paths: readonly string[] }
  /** A write failed; `restored` says whether the project is as before. */
  | { readonly ok: false; readonly reason: 'failed'; readonly message: string; readonly restored: boolean }

/** All of it or nothing. @throws only before the first write */
export async function landStep(step: LandingStep): Promise<LandResult> {
  const { changes } = step
  const drifted = await findDrift(step.scope, changes, step.resumed)
  if (drifted.length > 0) return { ok: false, reason: 'drift', paths: drifted }
  const staged = await stage(step.base, join(step.folder, 'staged-after'), changes)
  try {
    await land({ root: step.scope, mark: step.mark, keepOwners: step.keepOwners, changes, staged })
    const unlanded = await findUnlanded(step.scope, changes)
    if (unlanded.length > 0) throw new Error(`not as expected after landing: ${unlanded.join(', ')}`)
    return { ok: true }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, reason: 'failed', message, restored: await restore(step, changes) }
  } finally {
    await rm(staged, { recursive: true, force: true })
  }
}

/** Puts back what a failed landing changed; what somebody else wrote meanwhile is left alone. */
async function restore(step: LandingStep, wanted: readonly Change[]): Promise<boolean> {
  const back = wanted.map((each) => ({ path: each.path, before: each.after, after: each.before }))
  try {
    if ((await findDrift(step.scope, back, true)).length > 0) return false
    // Only what landed: the place that refused a write once would refuse it again.
    const landed = new Set(await findUnlanded(step.scope, back))
    const changes = back.filter((each) => landed.has(each.path))
    const staged = await stage(step.base, join(step.folder, 'staged-before'), changes)
    await land({ root: step.scope, mark: step.mark, keepOwners: step.keepOwners, changes, staged })
    await rm(staged, { recursive: true, force: true })
    return (await findUnlanded(step.scope, back)).length === 0
  } catch {
    return false // reported by the caller as a project that needs a look
  }
}

/** Writes the wanted side of changes into a fresh folder. @param folder absolute @returns that folder */
async function stage(base: BaseGit, folder: string, changes: readonly Change[]): Promise<string> {
  await rm(folder, { recursive: true, force: true }) // left by a crash
  await mkdir(folder, { mode: 0o700 })
  const index = await emptyIndex(base, 'staged.index')
  const lines = changes.flatMap(({ path, after }) =>
    after === null ? [] : [`${after.mode} ${after.oid}\t${path}\0`],
  )
  if (lines.length === 0) return folder
  await inBase(base, ['update-index', '-z', '--index-info'], { index, input: Buffer.from(lines.join('')) })
  await inBase(base, ['checkout-index', '--all', `--prefix=${folder}/`], { index })
  return folder
}
