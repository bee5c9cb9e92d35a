/** Diff, approve and reject: the decisions on a sandbox's changes. */
import { realpath } from 'node:fs/promises'
import { relative } from 'node:path'
import { type Acceptance, judge } from './acceptance.ts'
import { type Change, typeOf } from './copy-driver/changes.ts'
import type { Reading } from './copy-driver/driver.ts'
import { badRequest, driverFailure, isErrno, ServiceFailure, wrongState } from './failure.ts'
import type { ApproveBody } from './request-body.ts'
import type { Row } from './row.ts'
import { change, type Deps, findRow, markDeleted } from './sandbox-service.ts'
import { fileChangeJson, fileIdOf, type Json } from './wire.ts'

interface Judged {
  readonly change: Change
  readonly acceptance: Acceptance
}

/** Where the scope lies in the project, as a prefix of paths: `''` or `src/`. */
const prefixOf = (row: Row): string => {
  const way = relative(row.realRoot, row.scopePath)
  return way === '' ? '' : `${way}/`
}

function baseTreeOf(row: Row, operation: string): string {
  if (row.status === 'creating' || row.status === 'deleted') throw wrongState(operation, row.status)
  if (row.baseTree === null) throw badRequest('the sandbox was never made, so it has no changes')
  return row.baseTree
}

/** DiffResult of the contract. */
export function diffSandbox(deps: Deps, id: string): Promise<Json> {
  return deps.serial.run(id, async () => {
    const row = findRow(deps, id)
    const baseTree = baseTreeOf(row, 'diff')
    const { reading, judged } = await readSandbox(deps, row, baseTree)
    const text = await asDriver('the changes cannot be shown', () =>
      deps.driver.patch(id, baseTree, reading.tree, prefixOf(row)),
    )
    const generated = new Date().toISOString()
    const files = judged.map((each) =>
      fileChangeJson(id, each.change, reading, { ...each.acceptance }, generated),
    )
    const sizeBytes = [...reading.sizes.values()].reduce((sum, size) => sum + size, 0)
    await deps.rows.put({ ...row, sizeBytes, fileCount: files.length })
    const count = (type: string) => judged.filter((each) => typeOf(each.change) === type).length
    return {
      sandboxId: id,
      files,
      unifiedDiff: text,
      generated,
      totalAdded: count('added'),
      totalDeleted: count('deleted'),
      totalModified: count('modified'),
    }
  })
}

async function readSandbox(
  deps: Deps,
  row: Row,
  baseTree: string,
): Promise<{ reading: Reading; judged: Judged[] }> {
  return asDriver('the changes cannot be read', async () => {
    const reading = await deps.driver.read(row.id, baseTree)
    const rules = row.behavior.acceptance
    const binary =
      rules.ignoreBinary === true
        ? await deps.driver.binaryPaths(row.id, baseTree, reading.tree)
        : new Set<string>()
    const judged = reading.changes.map((each) => ({
      change: each,
      acceptance: judge(rules, `${prefixOf(row)}${each.path}`, binary.has(each.path)),
    }))
    return { reading, judged }
  })
}

async function asDriver<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof ServiceFailure ? error : driverFailure(what, error)
  }
}

/** ApprovalResult of the contract. */
export function approveSandbox(deps: Deps, id: string, body: ApproveBody): Promise<Json> {
  return deps.serial.run(id, async () => {
    const row = findRow(deps, id)
    if (row.status === 'approved') return resultJson({ applied: 0, remaining: 0, appliedAt: row.approvedAt })
    if (row.status !== 'active' && row.status !== 'stopped') throw wrongState('approve', row.status)
    refuseUnbuilt(body)
    const baseTree = baseTreeOf(row, 'approve')
    const { reading, judged } = await readSandbox(deps, row, baseTree)
    const chosen = choose(id, judged, body)
    const remaining = judged.length - chosen.length
    if (chosen.length === 0) return resultJson({ applied: 0, remaining })
    const complete = remaining === 0
    const toTree = complete
      ? reading.tree
      : await asDriver('the chosen files cannot be put together', () =>
          deps.driver.treeWith(id, baseTree, chosen),
        )
    // One landing at a time in all projects: two sandboxes of one project must not pass the check together.
    return deps.serial.run('landing', () =>
      landChosen(deps, row, { baseTree, toTree, chosen, remaining, body }),
    )
  })
}

function refuseUnbuilt(body: ApproveBody): void {
  if (body.mode === 'hunks') throw new ServiceFailure(501, 'mode hunks is not built in this service yet')
  if (body.createCommit)
    throw badRequest('createCommit is not offered by this service; commit after the approval')
  if (body.mode === 'files' && !body.fileIds?.length)
    throw badRequest('mode files needs at least one id in fileIds')
}

/** The files to land. Only mode all leaves out what the rules do not accept; else one such file is a refusal. */
function choose(id: string, judged: readonly Judged[], body: ApproveBody): Change[] {
  const wanted = new Set(body.fileIds)
  const selected =
    body.mode === 'files' ? judged.filter((each) => wanted.has(fileIdOf(id, each.change.path))) : judged
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

interface Plan {
  readonly baseTree: string
  readonly toTree: string
  readonly chosen: readonly Change[]
  readonly remaining: number
  readonly body: ApproveBody
}

async function landChosen(deps: Deps, row: Row, plan: Plan): Promise<Json> {
  const { baseTree, toTree, chosen, remaining } = plan
  const refused = (error: string, paths: readonly string[]): Json => ({
    ...resultJson({ applied: 0, remaining: remaining + chosen.length }),
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
    return resultJson({ applied: chosen.length, remaining, appliedAt: landed.approvedAt })
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
  return deps.serial.run(id, async () => {
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
