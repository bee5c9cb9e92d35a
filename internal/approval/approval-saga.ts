/**
 * The saga of one approval. Each step is written down before the next is taken, so after a crash anywhere
 * whoever adopts the row goes on where it stands:
 *
 *   intended  the reviewed digest; nothing has happened
 *   planned   the diff is still the reviewed one, and what will be committed is known
 *   landed    the sandbox service put the files into the project; once the commit object exists, its hash is
 *             here too, before the branch moves to it
 *   committed HEAD holds the commit, or the row says why it could not be made
 *   done      the run says so
 *
 * Every outside step may be repeated: an approved sandbox answers ok, the same plan writes the same tree,
 * publishing a commit that HEAD already holds is ok.
 */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import type { StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { toStorable } from '../event/storable.ts'
import type { Logger } from '../log.ts'
import { resolveScope } from '../project-root.ts'
import type { Run } from '../run/run.ts'
import { ended } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import type { SandboxService } from '../sandbox/port.ts'
import { CommitPlanSchema } from '../stored-json.ts'
import { findTask } from '../task/task-store.ts'
import {
  type ApprovalRow,
  advanceApproval,
  findDiff,
  releaseApproval,
  type StoredDiff,
} from './approval-store.ts'
import { commitAuthor } from './commit-message.ts'
import { digestOf } from './diff-capture.ts'
import type { CommitPlan, ProjectRepo } from './project-port.ts'

export interface SagaDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly redactor: Redactor
  readonly sandbox: SandboxService
  readonly project: ProjectRepo
  publish(events: readonly StoredEvent[]): void
}

const COMMIT_ROUNDS = 3

interface Landing {
  readonly run: Run
  readonly sandboxId: string
  readonly diff: StoredDiff
  readonly projectRoot: string
  readonly paths: readonly string[]
}

/**
 * Takes the saga from where it stands to its end.
 * @returns the finished row
 * @throws AppError when it cannot go through (the row is then `failed`, the run still reviewable), or the
 * neighbour's error when it may go through later (the row stays open and is taken up again)
 */
export async function carryOut(deps: SagaDeps, start: ApprovalRow, run: Run): Promise<ApprovalRow> {
  let row = start
  try {
    const landing = await prepare(deps, start, run)
    if (row.state === 'intended') row = await plan(deps, row, landing)
    if (row.state === 'planned') row = await land(deps, row, landing)
    if (row.state === 'landed') row = await commit(deps, row, landing)
    return await record(deps, row, landing)
  } catch (error) {
    if (isRefusal(row, error)) await refuse(deps, row, run, messageOf(error))
    else await releaseApproval(deps.db, row)
    throw error
  }
}

/**
 * Before anything was asked of the sandbox service every failure is final: nothing happened, and the person
 * may try again. While it may have landed, only a clear refusal is; after that the way is forward only.
 */
function isRefusal(row: ApprovalRow, error: unknown): boolean {
  if (row.state === 'intended') return true
  return row.state === 'planned' && error instanceof AppError && !error.kind.retryable
}

async function prepare(deps: SagaDeps, row: ApprovalRow, run: Run): Promise<Landing> {
  const task = await findTask(deps.db, run.taskId)
  const diff = await findDiff(deps.db, run.id, row.digest)
  if (!task || !diff || run.sandboxId === null) throw new Error(`run ${run.id} lacks what its approval needs`)
  const { projectRoot } = await resolveScope(task, [])
  return { run, sandboxId: run.sandboxId, diff, projectRoot, paths: diff.files.map((file) => file.path) }
}

/** The diff must be the reviewed one, and the commit must be possible, before anything is touched. */
async function plan(deps: SagaDeps, row: ApprovalRow, landing: Landing): Promise<ApprovalRow> {
  const now = digestOf(await deps.sandbox.diff(landing.sandboxId))
  if (now !== row.digest) {
    throw new AppError(
      'STATE_DIFF_CHANGED',
      'The sandbox no longer holds the diff that was reviewed: look at the diff again.',
      {
        extra: { reviewed_digest: row.digest, present_digest: now },
      },
    )
  }
  const wantsCommit = row.create_commit ?? (await deps.project.isWorkTree(landing.projectRoot))
  const commitPlan = wantsCommit ? await planCommit(deps, landing) : null
  return step(deps, row, { state: 'planned', plan: commitPlan && JSON.stringify(commitPlan) })
}

async function planCommit(deps: SagaDeps, landing: Landing): Promise<CommitPlan> {
  const { projectRoot, paths, diff } = landing
  const result = await deps.project.plan({ projectRoot, paths, patch: diff.content })
  if (result.ok) return result.plan
  const conflicts = result.paths.map((path) => ({ path, reason: result.reason }))
  if (result.reason === 'not_git') {
    throw new AppError('VALIDATION_FIELD', `create_commit: ${result.message}`, {
      faults: [{ field: 'create_commit', rule: 'git', message: result.message }],
    })
  }
  throw new AppError('STATE_PROJECT_DIRTY', result.message, { extra: { conflicts } })
}

async function land(deps: SagaDeps, row: ApprovalRow, landing: Landing): Promise<ApprovalRow> {
  const result = await deps.sandbox.applyAll(landing.sandboxId, {
    actor: row.actor,
    expected: landing.diff.files,
    projectRoot: landing.projectRoot,
  })
  if (!result.ok) {
    const extra = { conflicts: result.paths.map((path) => ({ path, reason: result.message })) }
    throw result.reason === 'conflict'
      ? new AppError('STATE_CONFLICT', `The changes do not fit the project any more: ${result.message}`, {
          extra,
        })
      : new AppError(
          'SANDBOX_CAPABILITY',
          `The changes cannot be landed from this sandbox: ${result.message}`,
          { extra },
        )
  }
  return step(deps, row, { state: 'landed' })
}

async function commit(deps: SagaDeps, row: ApprovalRow, landing: Landing): Promise<ApprovalRow> {
  if (row.plan === null) return step(deps, row, { state: 'committed' })
  try {
    return await commitLanded(deps, row, CommitPlanSchema.parse(JSON.parse(row.plan)), landing)
  } catch (error) {
    if (!(error instanceof CommitFailure)) throw error
    // What landed stays: the approval went through, and says plainly that the commit did not.
    deps.log.error({ run_id: row.run_id, error: error.message }, 'commit failed')
    const why = `The changes are in the project but not committed: ${error.message}`
    return step(deps, error.row, { state: 'committed', commit_hash: null, error: why })
  }
}

/** The commit cannot be made; `row` is the saga as it stands. */
class CommitFailure extends Error {
  readonly row: ApprovalRow
  constructor(row: ApprovalRow, cause: unknown) {
    super(messageOf(cause), { cause })
    this.row = row
  }
}

/** The hash is written down before the branch moves to it, so a crash in between publishes the same commit. */
async function commitLanded(
  deps: SagaDeps,
  start: ApprovalRow,
  first: CommitPlan,
  landing: Landing,
): Promise<ApprovalRow> {
  let row = start
  let commitPlan = first
  const project = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw new CommitFailure(row, error)
    }
  }
  for (let round = 0; round < COMMIT_ROUNDS; round += 1) {
    const hash =
      row.commit_hash ?? (await project(() => deps.project.write(commitRequest(row, landing), commitPlan)))
    if (row.commit_hash === null) row = await step(deps, row, { state: 'landed', commit_hash: hash })
    if ((await project(() => deps.project.publish(landing, commitPlan, hash))) === 'ok') {
      return step(deps, row, { state: 'committed' })
    }
    // Somebody committed meanwhile: the files have landed, so they go on top of the new HEAD as a patch.
    const { projectRoot, paths, diff } = landing
    const again = await project(() => deps.project.plan({ projectRoot, paths, patch: diff.content }))
    if (!again.ok) throw new CommitFailure(row, again.message)
    commitPlan = again.plan
    row = await step(deps, row, { state: 'landed', commit_hash: null, plan: JSON.stringify(commitPlan) })
  }
  throw new CommitFailure(row, 'HEAD keeps moving.')
}

const commitRequest = (row: ApprovalRow, landing: Landing) => ({
  projectRoot: landing.projectRoot,
  paths: landing.paths,
  patch: landing.diff.content,
  message: row.commit_message,
  author: commitAuthor(row.actor),
})

/** The run, its event and the saga's end in one transaction. */
async function record(deps: SagaDeps, row: ApprovalRow, { run, diff }: Landing): Promise<ApprovalRow> {
  const reason = row.automatic ? 'approval_not_required' : 'approved'
  const { done, events } = await deps.db.transaction().execute(async (tx) => {
    const finished = await advanceApproval(tx, row, { state: 'done' })
    if (!finished)
      throw new AppError(
        'STATE_TRANSITION_INVALID',
        'Another replica carries this approval out. Look again in a moment.',
      )
    const stored = await append(tx, {
      runId: run.id,
      from: ['needs_review'],
      fence: null,
      patch: {
        ...ended(null),
        status: 'complete',
        approval_state: row.automatic ? 'none' : 'approved',
        ...(!row.automatic && { approved_by: row.actor, approved_at: finished.updated_at }),
      },
      events: [
        toStorable(approvalEvent(row, { digest: diff.digest, error: row.error }), deps.redactor),
        toStorable(statusEvent('needs_review', 'complete', reason), deps.redactor),
      ],
    })
    if (!stored) throw new Error(`run ${run.id} left needs_review while it was being approved`)
    return { done: finished, events: stored }
  })
  deps.publish(events)
  return done
}

async function refuse(deps: SagaDeps, row: ApprovalRow, run: Run, why: string): Promise<void> {
  const events = await deps.db.transaction().execute(async (tx) => {
    if (!(await advanceApproval(tx, row, { state: 'failed', error: why }))) return []
    const stored = await append(tx, {
      runId: run.id,
      from: ['needs_review'],
      fence: null,
      patch: {},
      events: [toStorable(approvalEvent(row, { digest: row.digest, error: why }), deps.redactor)],
    })
    return stored ?? []
  })
  deps.publish(events)
}

async function step(
  deps: SagaDeps,
  row: ApprovalRow,
  patch: Parameters<typeof advanceApproval>[2],
): Promise<ApprovalRow> {
  const next = await advanceApproval(deps.db, row, patch)
  if (!next)
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      'Another replica carries this approval out. Look again in a moment.',
    )
  return next
}

const approvalEvent = (row: ApprovalRow, facts: { digest: string; error: string | null }) => ({
  payload: {
    approval: {
      action: 'approve' as const,
      actor: row.actor,
      digest: facts.digest,
      files: null,
      hunks: null,
      commit_hash: row.commit_hash,
      error: facts.error,
    },
  },
  synthetic: true,
})
