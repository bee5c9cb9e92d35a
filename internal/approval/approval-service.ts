/** Use cases of review: look at the diff, approve it, reject it. */
import { v7 as uuid } from 'uuid'
import { AppError, messageOf } from '../errors.ts'
import { append } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText, toStorable } from '../event/storable.ts'
import { isFinal, type Run } from '../run/run.ts'
import { ended } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import { findRun } from '../run/run-store.ts'
import { findTask } from '../task/task-store.ts'
import { carryOut, type SagaDeps } from './approval-saga.ts'
import {
  type ApprovalRow,
  adoptApprovals,
  findDiff,
  findDoneApproval,
  hasOpenApproval,
  insertApproval,
} from './approval-store.ts'
import { commitMessage } from './commit-message.ts'
import { type DiffFile, parseUnifiedDiff } from './diff.ts'
import { sha256 } from './diff-capture.ts'

/** A file as it is shown: `redacted` where a known secret in it was masked. */
export type ShownFile = DiffFile & { readonly redacted: boolean }

export interface RunDiff {
  readonly runId: string
  readonly digest: string
  readonly content: string
  readonly generatedAt: Date
  readonly files: readonly ShownFile[]
}

export interface ApproveRequest {
  readonly actor: string | null
  readonly commitMessage: string | null
  readonly createCommit: boolean | null
  readonly digest: string | null
}

export interface ApprovalResult {
  readonly success: boolean
  readonly filesApplied: number
  readonly hunksApplied: number
  readonly commitHash: string | null
  readonly message: string
}

export interface ReviewServiceDeps extends SagaDeps {
  readonly replicaId: string
  /** Something may be cleaned up. */
  wake(): void
}

/** Entered before the first await, so that nobody takes what is here for left behind. */
class ActiveSet {
  readonly #ids = new Set<string>()

  get ids(): readonly string[] {
    return [...this.#ids]
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  async during<T>(id: string, work: () => Promise<T>): Promise<T> {
    this.#ids.add(id)
    try {
      return await work()
    } finally {
      this.#ids.delete(id)
    }
  }
}

const SERVICE_ACTOR = 'agent-manager'

export class ReviewService {
  readonly #deps: ReviewServiceDeps
  /** Sagas this replica is carrying out, so that recovery does not run a second one beside them. */
  readonly #active = new ActiveSet()

  constructor(deps: ReviewServiceDeps) {
    this.#deps = deps
  }

  /** The diff as it was when the turn ended. @throws NOT_FOUND_RUN, STATE_NO_DIFF */
  async diff(runId: string): Promise<RunDiff> {
    const run = await this.#run(runId)
    if (!run.diff) {
      const why =
        run.mode === 'in_place'
          ? 'it worked in place'
          : isFinal(run.status)
            ? 'it left no diff'
            : 'its turn has not ended yet'
      throw new AppError('STATE_NO_DIFF', `Run ${runId} has no diff: ${why}.`)
    }
    const stored = await findDiff(this.#deps.db, runId, run.diff.digest)
    if (!stored) throw new Error(`the diff of run ${runId} is missing`)
    // Shown without known secrets; what is approved and applied are the sandbox's own bytes.
    const { redactor } = this.#deps
    return {
      runId,
      digest: stored.digest,
      content: redactor.redact(stored.content),
      generatedAt: stored.createdAt,
      files: parseUnifiedDiff(stored.content, sha256).map((file) => masked(file, redactor)),
    }
  }

  /**
   * Approves everything of the reviewed diff. A repeat of an approval that went through answers the same.
   * @throws STATE_DIFF_CHANGED, STATE_CONFLICT, STATE_PROJECT_DIRTY, STATE_TRANSITION_INVALID, STATE_TERMINAL
   */
  async approve(runId: string, request: ApproveRequest): Promise<{ result: ApprovalResult; run: Run }> {
    const run = await this.#run(runId)
    const done = run.status === 'complete' ? await findDoneApproval(this.#deps.db, runId) : null
    if (done) return { result: resultOf(done, run), run }
    const diff = this.#reviewable(run)
    if (request.digest !== null && request.digest !== diff.digest) {
      throw new AppError(
        'STATE_DIFF_CHANGED',
        'digest names another diff than the one under review: look at the diff again.',
        {
          extra: { reviewed_digest: request.digest, present_digest: diff.digest },
        },
      )
    }
    const id = uuid()
    const finished = await this.#active.during(id, async () => {
      const row = await this.#intend(run, { id, digest: diff.digest }, request)
      return carryOut(this.#deps, row, run)
    })
    this.#deps.wake()
    const after = await this.#run(runId)
    return { result: resultOf(finished, after), run: after }
  }

  /** Decides against everything: the project stays as it is, the sandbox goes. */
  async reject(runId: string, request: { actor: string | null; reason: string | null }): Promise<Run> {
    const run = await this.#run(runId)
    if (run.status === 'complete' && run.approvalState === 'rejected') return run
    const diff = this.#reviewable(run)
    const reason = request.reason === null ? null : storableText(request.reason, this.#deps.redactor)
    const events = await this.#deps.db.transaction().execute(async (tx) => {
      await tx.selectFrom('runs').select('id').where('id', '=', runId).forUpdate().execute()
      if (await hasOpenApproval(tx, runId)) throw beingApproved(runId)
      const rejected = {
        approval: {
          action: 'reject' as const,
          actor: request.actor ?? SERVICE_ACTOR,
          digest: diff.digest,
          files: null,
          hunks: null,
          commit_hash: null,
          error: reason,
        },
      }
      return append(tx, {
        runId,
        from: ['needs_review'],
        fence: null,
        patch: { ...ended(null), status: 'complete', approval_state: 'rejected' },
        events: [
          toStorable({ payload: rejected, synthetic: true }, this.#deps.redactor),
          toStorable(statusEvent('needs_review', 'complete', 'rejected'), this.#deps.redactor),
        ],
      })
    })
    if (!events) throw this.#notReviewable(await this.#run(runId))
    this.#deps.publish(events)
    this.#deps.wake()
    return this.#run(runId)
  }

  /** Finishes sagas whose owner is gone, and those a neighbour held up. */
  async recover(): Promise<void> {
    for (const row of await adoptApprovals(this.#deps.db, this.#deps.replicaId, this.#active.ids)) {
      await this.#resume(row)
    }
  }

  /** A turn ended whose changes need no decision: its saga was written with the turn's end. */
  async landUnreviewed(runId: string): Promise<void> {
    const row = await this.#deps.db
      .selectFrom('approvals')
      .selectAll()
      .where('run_id', '=', runId)
      .where('state', '=', 'intended')
      .where('automatic', '=', true)
      .executeTakeFirst()
    if (row) await this.#resume(row)
  }

  async #resume(row: ApprovalRow): Promise<void> {
    if (this.#active.has(row.id)) return
    try {
      await this.#active.during(row.id, async () => carryOut(this.#deps, row, await this.#run(row.run_id)))
      this.#deps.wake()
    } catch (error) {
      this.#deps.log.warn({ run_id: row.run_id, error: messageOf(error) }, 'approval not finished')
    }
  }

  async #intend(
    run: Run,
    approval: { readonly id: string; readonly digest: string },
    request: ApproveRequest,
  ): Promise<ApprovalRow> {
    const task = await findTask(this.#deps.db, run.taskId)
    const actor = storableText(request.actor ?? SERVICE_ACTOR, this.#deps.redactor)
    const message = this.#message(run, task?.title ?? '', request.commitMessage, actor)
    const row = await this.#deps.db.transaction().execute(async (tx) => {
      // The row lock orders this against stop and reject: whoever comes second sees what the first did.
      const still = await tx
        .selectFrom('runs')
        .select('status')
        .where('id', '=', run.id)
        .forUpdate()
        .executeTakeFirst()
      if (still?.status !== 'needs_review') return null
      return insertApproval(tx, {
        ...approval,
        runId: run.id,
        turn: run.turn,
        actor,
        automatic: false,
        createCommit: request.createCommit,
        commitMessage: message,
        replicaId: this.#deps.replicaId,
      })
    })
    if (row) return row
    const now = await this.#run(run.id)
    throw now.status === 'needs_review' ? beingApproved(run.id) : this.#notReviewable(now)
  }

  #message(run: Run, taskTitle: string, message: string | null, approver: string): string {
    const text = commitMessage({ message, taskTitle, runId: run.id, taskId: run.taskId, approver })
    return storableText(text, this.#deps.redactor)
  }

  #reviewable(run: Run): NonNullable<Run['diff']> {
    if (run.status !== 'needs_review' || !run.diff) throw this.#notReviewable(run)
    return run.diff
  }

  #notReviewable(run: Run): AppError {
    if (isFinal(run.status))
      return new AppError(
        'STATE_TERMINAL',
        `Run ${run.id} is finished (${run.status}, ${run.approvalState}); there is nothing to decide.`,
      )
    return new AppError(
      'STATE_TRANSITION_INVALID',
      `Run ${run.id} is ${run.status}; it can be decided on when its turn has ended.`,
    )
  }

  async #run(id: string): Promise<Run> {
    const run = await findRun(this.#deps.db, id)
    if (!run) throw new AppError('NOT_FOUND_RUN', `There is no run with id ${id}.`)
    return run
  }
}

const beingApproved = (runId: string): AppError =>
  new AppError(
    'STATE_TRANSITION_INVALID',
    `An approval of run ${runId} is being carried out. Look again in a moment.`,
  )

const resultOf = (row: ApprovalRow, run: Run): ApprovalResult => ({
  success: true,
  filesApplied: run.diff?.files ?? 0,
  hunksApplied: 0,
  commitHash: row.commit_hash,
  message:
    row.error ?? (row.commit_hash === null ? 'applied' : `applied and committed as ${row.commit_hash}`),
})

function masked(file: DiffFile, redactor: Redactor): ShownFile {
  const hunks = file.hunks.map((hunk) => ({
    ...hunk,
    lines: hunk.lines.map((line) => redactor.redact(line)),
  }))
  const redacted = hunks.some((hunk, at) => hunk.lines.some((line, n) => line !== file.hunks[at]?.lines[n]))
  return { ...file, hunks, redacted }
}
