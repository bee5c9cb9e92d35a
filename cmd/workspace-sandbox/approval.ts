/** Approve and reject: the decisions on a sandbox's changes. */
import { realpath } from 'node:fs/promises'
import { chooseFiles, chooseHunks, refuseEmptyChoice } from './choice.ts'
import { commitPaths, refuseUncommittable } from './commit.ts'
import { asDriver, baseTreeOf, readSandbox } from './diff.ts'
import type { Reading } from './driver.ts'
import { isErrno, ServiceFailure, wrongState } from './failure.ts'
import type { Change } from './git-base/changes.ts'
import type { ApproveBody } from './request-body.ts'
import type { Row } from './row.ts'
import { change, type Deps, findRow, inTurn, markDeleted } from './sandbox-service.ts'
import type { Json } from './wire.ts'

/** ApprovalResult of the contract. */
export function approveSandbox(deps: Deps, id: string, body: ApproveBody): Promise<Json> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    if (row.status === 'approved') return resultJson({ applied: 0, remaining: 0, appliedAt: row.approvedAt })
    if (row.status !== 'active' && row.status !== 'stopped') throw wrongState('approve', row.status)
    refuseEmptyChoice(body)
    const baseTree = baseTreeOf(row, 'approve')
    const { reading, judged } = await readSandbox(deps, row, baseTree)
    const files = chooseFiles(id, judged, body)
    const chosen =
      body.mode === 'hunks' ? await pickHunks(deps, row, { baseTree, reading, files, body }) : files
    if (chosen.length === 0) return resultJson({ applied: 0, remaining: judged.length })
    // One landing at a time in all projects: two sandboxes of one project must not pass the check together.
    return deps.serial.run('landing', async () => {
      const plan = await makePlan(deps, row, { baseTree, reading, chosen, body })
      if (body.createCommit) await refuseUncommittable(deps.driver.baseOf(id).git, row.scopePath)
      return landChosen(deps, row, plan)
    })
  })
}

function pickHunks(
  deps: Deps,
  row: Row,
  of: { baseTree: string; reading: Reading; files: readonly Change[]; body: ApproveBody },
): Promise<Change[]> {
  const trees = { from: of.baseTree, to: of.reading.tree }
  return asDriver('the chosen hunks cannot be put together', () =>
    chooseHunks(deps.driver.baseOf(row.id), trees, row.id, of.files, of.body),
  )
}

interface Plan {
  readonly baseTree: string
  readonly toTree: string
  readonly chosen: readonly Change[]
  /** Files that differ before it, and after it. */
  readonly total: number
  readonly remaining: number
  readonly body: ApproveBody
}

/** The tree to reach, and what is left over then: unchosen hunks keep their file in the diff. */
async function makePlan(
  deps: Deps,
  row: Row,
  of: { baseTree: string; reading: Reading; chosen: readonly Change[]; body: ApproveBody },
): Promise<Plan> {
  const { baseTree, reading, chosen, body } = of
  const toTree = await asDriver('the chosen changes cannot be put together', () =>
    deps.driver.treeWith(row.id, baseTree, chosen),
  )
  const left = await deps.driver.changesBetween(row.id, toTree, reading.tree)
  return { baseTree, toTree, chosen, total: reading.changes.length, remaining: left.length, body }
}

async function landChosen(deps: Deps, row: Row, plan: Plan): Promise<Json> {
  const { baseTree, toTree, chosen, remaining } = plan
  const refused = (error: string, paths: readonly string[]): Json => ({
    ...resultJson({ applied: 0, remaining: plan.total }),
    success: false,
    failed: chosen.length,
    error,
    conflictInfo: { hasConflict: true, conflictingFiles: paths },
  })
  if (!(await standsWhereItWas(row.scopePath))) {
    return refused(
      `the project is not at ${row.scopePath} any more`,
      chosen.map((each) => each.path),
    )
  }
  const intending = await change(deps, row, {
    intent: { fromTree: baseTree, toTree, complete: remaining === 0 },
  })
  const result = await asDriver('the changes could not be landed', () =>
    deps.driver.landStep(row.id, row.scopePath, baseTree, toTree, false),
  ).catch(async (error: unknown) => {
    // Thrown only before the first write: the reasons after it are results.
    await change(deps, intending, { intent: null })
    throw error
  })
  if (result.ok) {
    const landed = await finishLanding(deps, intending)
    return {
      ...resultJson({ applied: chosen.length, remaining, appliedAt: landed.approvedAt }),
      ...(plan.body.createCommit ? await commitLanded(deps, row, plan) : {}),
    }
  }
  if (result.reason === 'drift') {
    await change(deps, intending, { intent: null })
    await refuseCommitted(deps, row, result.paths, plan.body.force)
    const names = result.paths.join(', ')
    return refused(`changed in the project since the sandbox was made: ${names}`, result.paths)
  }
  deps.log.error({ sandbox_id: row.id, restored: result.restored }, `landing failed: ${result.message}`)
  if (result.restored) {
    await change(deps, intending, { intent: null })
    return refused(`nothing was applied: ${result.message}`, [])
  }
  const errorMessage = `applied in part, the project needs a look: ${result.message}`
  await change(deps, intending, { intent: null, status: 'error', errorMessage })
  throw new ServiceFailure(500, errorMessage)
}

/** The files are in the project by now: a commit that fails is told beside the success. */
async function commitLanded(deps: Deps, row: Row, plan: Plan): Promise<Json> {
  const paths = plan.chosen.map((each) => each.path)
  try {
    return await commitPaths(deps.driver.baseOf(row.id).git, {
      folder: row.scopePath,
      paths,
      message: plan.body.commitMessage?.trim() || `Apply sandbox changes (${paths.length} files)`,
      author: row.owner,
    })
  } catch (error) {
    deps.log.error({ sandbox_id: row.id, err: error }, 'the applied changes could not be committed')
    return {
      error: `applied, but not committed: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/** False when the project was moved away or replaced by a link. */
export async function standsWhereItWas(scopePath: string): Promise<boolean> {
  try {
    return (await realpath(scopePath)) === scopePath
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false
    throw error
  }
}

/** 409 when the other side's change of a drifted file is committed already. */
async function refuseCommitted(
  deps: Deps,
  row: Row,
  drifted: readonly string[],
  force: boolean,
): Promise<void> {
  if (force) return
  const committed = await deps.driver.committedSince(row.scopePath, row.baseCommitHash)
  const both = drifted.filter((path) => committed.has(path))
  if (both.length === 0) return
  throw new ServiceFailure(409, `changed both in the sandbox and in newer commits: ${both.join(', ')}`, {
    hint: 'create a new sandbox from the present commit and apply the changes there',
    details: { conflictingFiles: both },
  })
}

/** Takes a landed intent into the row: the base moves on, and with nothing left over the sandbox is approved. */
export async function finishLanding(deps: Deps, row: Row): Promise<Row> {
  const { intent } = row
  if (intent === null) return row
  const approved = intent.complete
    ? ({ status: 'approved', approvedAt: new Date().toISOString() } as const)
    : {}
  const landed = await change(deps, row, { ...approved, baseTree: intent.toTree, intent: null })
  if (intent.complete) await deleteIfAsked(deps, landed, 'approved')
  return landed
}

/** Sandbox after the rejection, which `deleteOn` may have removed a moment later. */
export function rejectSandbox(deps: Deps, id: string, actor: string): Promise<Row> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    if (row.status === 'rejected') return row
    if (row.status !== 'active' && row.status !== 'stopped') throw wrongState('reject', row.status)
    const rejected = await change(deps, row, { status: 'rejected' })
    deps.log.info({ sandbox_id: id, actor }, 'sandbox rejected')
    await deleteIfAsked(deps, rejected, 'rejected')
    return rejected
  })
}

async function deleteIfAsked(deps: Deps, row: Row, event: 'approved' | 'rejected'): Promise<void> {
  const events = row.behavior.lifecycle.deleteOn ?? []
  if (events.includes(event) || events.includes('terminal')) await markDeleted(deps, row)
}

function resultJson(of: { applied: number; remaining: number; appliedAt?: string | null }): Json {
  return {
    success: true,
    applied: of.applied,
    failed: 0,
    remaining: of.remaining,
    isPartial: of.remaining > 0,
    appliedAt: of.appliedAt ?? new Date().toISOString(),
  }
}
