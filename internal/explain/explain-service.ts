/** Gathers what is known of a run and explains it. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import { listInteractions } from '../interaction/interaction-store.ts'
import { withDeadline } from '../process/deadline.ts'
import { resolveScope } from '../project-root.ts'
import { type AdmissionDeps, admissionChecks } from '../run/admission.ts'
import { countQueued } from '../run/input-store.ts'
import { isFinal, type Run } from '../run/run.ts'
import { findRun } from '../run/run-store.ts'
import { findTask } from '../task/task-store.ts'
import { type Explanation, explain } from './explain.ts'
import { approvalFacts, queueFacts, rowFacts, sandboxRow, usualTurnMs } from './explain-store.ts'
import type { ExplainCheck, ExplainFacts } from './facts.ts'

export interface ExplainDeps {
  readonly db: Kysely<Tables>
  readonly admission: AdmissionDeps
  readonly projectRoots: readonly string[]
  readonly places: number
  readonly engine: { readonly load: { readonly runs: number }; readonly claimState: string }
}

/** A neighbour that takes longer is told of as one that does not answer. */
const NEIGHBOUR_MS = 1500

export class ExplainService {
  readonly #deps: ExplainDeps

  constructor(deps: ExplainDeps) {
    this.#deps = deps
  }

  /** Looking counts as nobody's presence: it may be a program that asks. @throws NOT_FOUND_RUN */
  async explain(runId: string): Promise<Explanation> {
    const { db, engine, places } = this.#deps
    const run = await findRun(db, runId)
    const row = run && (await rowFacts(db, runId))
    if (!run || !row) throw new AppError('NOT_FOUND_RUN', `There is no run with id ${runId}.`)
    const [queue, usualMs, queuedInputs, interactions, approval, sandbox, needs] = await Promise.all([
      queueFacts(db, runId),
      usualTurnMs(db),
      countQueued(db, runId),
      listInteractions(db, runId, 'pending'),
      approvalFacts(db, runId, run.turn),
      this.#sandbox(run),
      this.#needs(run),
    ])
    const replica = { places, taken: engine.load.runs, isClaiming: engine.claimState === 'claiming' }
    return explain({
      run,
      ...row,
      queue,
      replica,
      usualMs,
      queuedInputs,
      interactions,
      approval,
      sandbox,
      needs,
    })
  }

  async #sandbox(run: Run): Promise<ExplainFacts['sandbox']> {
    const row = await sandboxRow(this.#deps.db, run.id, run.sandboxGeneration)
    if (!row || row.removedAt !== null) return row && { ...row, state: null }
    const asked = this.#deps.admission.sandbox.state(row.id)
    // Not answering is what there is to tell.
    const state = await withDeadline(asked, NEIGHBOUR_MS, 'the sandbox service').catch(() => null)
    return { ...row, state }
  }

  /** What it needs to start a turn, as it is now: it was there when the run was admitted. */
  async #needs(run: Run): Promise<readonly ExplainCheck[]> {
    if (isFinal(run.status) || run.status === 'needs_review') return []
    const look = this.#lookAtNeeds(run)
    const late = { name: 'needs', ok: false, detail: 'what it needs could not be looked at in time' }
    return withDeadline(look, NEIGHBOUR_MS, 'looking').catch(() => [late])
  }

  async #lookAtNeeds(run: Run): Promise<readonly ExplainCheck[]> {
    const task = await findTask(this.#deps.db, run.taskId)
    if (!task) return [{ name: 'task', ok: false, detail: 'its task is gone' }]
    try {
      const { projectRoot } = await resolveScope(task, this.#deps.projectRoots)
      const request = { config: run.config, mode: run.mode, projectRoot }
      const checks = await admissionChecks(request, this.#deps.admission)
      return checks.map(({ name, ok, detail }) => ({ name, ok, detail }))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return [{ name: 'project_root', ok: false, detail: error.message }]
    }
  }
}
