/**
 * Drives one claimed run from its sandbox to its end. Every step is written before the next one begins, so
 * wherever this process dies, the row says how far it came and the reaper knows what to do:
 * a sandbox is made under a key that finds it again, and the agent dies with us (launcher) before the lease
 * does.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import { insertApproval, insertDiff } from '../approval/approval-store.ts'
import { commitMessage } from '../approval/commit-message.ts'
import { summarise } from '../approval/diff-capture.ts'
import type { ProjectRepo } from '../approval/project-port.ts'
import type { Db, Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText } from '../event/storable.ts'
import type { Launcher } from '../launcher/port.ts'
import type { Logger } from '../log.ts'
import { resolveScope } from '../project-root.ts'
import type { DiffSummary, RunPhase } from '../run/run.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import type { Delta, TurnOutcome } from '../runner/port.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import type { SandboxDiff, SandboxService } from '../sandbox/port.ts'
import { RunConfigSchema } from '../stored-json.ts'
import { findTask } from '../task/task-store.ts'
import type { RunAbort } from './abort.ts'
import { agentEnvironment, type Environment, makeRunFolders } from './agent-environment.ts'
import {
  diffPatch,
  endPatch,
  exhausted,
  failed,
  failureFrom,
  handBackPatch,
  maskFailure,
  maskOutcome,
  outcomePatch,
  progressEvent,
  sandboxEvent,
  stopped,
  stoppedBeforeStart,
} from './run-changes.ts'
import { deliverInput, queuedInput, recordSandbox, requeueInputs } from './run-work-store.ts'
import type { RunWriter } from './run-writer.ts'
import { runTurn } from './turn.ts'
import { endOfTurn, failureOf, type TurnEnd } from './turn-end.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

export interface DriverDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly redactor: Redactor
  readonly registry: RunnerRegistry
  readonly launcher: Launcher
  readonly sandbox: SandboxService
  readonly project: Pick<ProjectRepo, 'objectFolders'>
  readonly dataDir: string
  readonly replicaId: string
  readonly installationId: string
  readonly service: Environment
  readonly projectRoots: readonly string[]
  publish(events: readonly StoredEvent[]): void
  publishDelta(runId: string, turn: number, delta: Delta): void
  /** A turn ended with changes that need nobody's decision. */
  landUnreviewed(runId: string): void
}

export class RunDriver {
  readonly #deps: DriverDeps
  readonly #row: ClaimedRow
  readonly #writer: RunWriter
  readonly #abort: RunAbort
  readonly #config: ReturnType<typeof RunConfigSchema.parse>
  #status: 'starting' | 'running' = 'starting'
  #hasSandbox = false
  #taskTitle = ''

  constructor(deps: DriverDeps, row: ClaimedRow, writer: RunWriter, abort: RunAbort) {
    this.#deps = deps
    this.#row = row
    this.#writer = writer
    this.#abort = abort
    this.#config = RunConfigSchema.parse(JSON.parse(row.config))
  }

  /** Returns when the run is no longer ours: ended, handed back, or lost. */
  async drive(): Promise<void> {
    try {
      const workspace = await this.#openWorkspace()
      const outcome = maskOutcome(await this.#execute(workspace), this.#deps.redactor)
      if (this.#isCut && outcome.kind !== 'completed') return await this.#handBack()
      await this.#finish(outcome, workspace)
    } catch (error) {
      await this.#fail(error)
    }
  }

  /**
   * The agent was ended by us, not by itself: the service goes away, or it did not trust its lease any more (it
   * was paused, or the database was away) and may turn out to hold it still.
   */
  get #isCut(): boolean {
    return this.#abort.reason === 'drain' || this.#abort.reason === 'lost'
  }

  async #openWorkspace(): Promise<Workspace> {
    const task = await findTask(this.#deps.db, this.#row.task_id)
    if (!task) throw new Error(`run ${this.#row.id} has no task`)
    this.#taskTitle = task.title
    const project = await resolveScope(task, this.#deps.projectRoots)
    if (this.#row.mode === 'sandboxed') await this.#phase('sandbox_creating')
    const workspace = await openWorkspace(this.#row, project, this.#deps.sandbox)
    const { sandbox } = workspace
    if (sandbox) {
      const generation = this.#row.sandbox_generation
      await this.#writer.change({
        from: ['starting'],
        patch: { sandbox_id: sandbox.id },
        events: [sandboxEvent('created', sandbox.id, generation, sandbox.driver)],
        also: (tx) => recordSandbox(tx, this.#row.id, generation, sandbox.id),
      })
      this.#hasSandbox = true
    }
    return workspace
  }

  async #execute(workspace: Workspace): Promise<TurnOutcome> {
    const { registry, launcher, redactor, service } = this.#deps
    await this.#phase('runner_acquiring')
    const adapter = registry.adapter(this.#config.runnerType)
    const probe = await registry.probe(this.#config.runnerType)
    const folders = await makeRunFolders(this.#deps.dataDir, this.#row.id)
    const operatorHome = service['HOME'] ?? folders.home
    const isIsolated = this.#config.home === 'isolated'
    const home = isIsolated ? folders.home : operatorHome
    const prompt = await this.#begin(probe.version)
    if (prompt === null || this.#abort.reason !== null) return stoppedBeforeStart
    return runTurn({
      adapter,
      launcher,
      config: this.#config,
      writer: this.#writer,
      abort: this.#abort,
      workspace,
      folders,
      home,
      prompt,
      sessionId: this.#row.session_id,
      env: agentEnvironment({
        config: this.#config,
        home,
        tmp: folders.tmp,
        marker: this.#marker,
        service,
        redactor,
      }),
      readable: await this.#deps.project.objectFolders(workspace.projectRoot),
      writable: [folders.tmp, ...(isIsolated ? [home] : adapter.homeFolders.map((name) => join(home, name)))],
      // A home of `/` (services without a user's) is everything: only the data folder can be hidden then.
      hidden: [this.#deps.dataDir, ...(operatorHome === '/' ? [] : [operatorHome])],
      hide: (secret) => void redactor.add(secret),
      delta: (delta) => this.#deps.publishDelta(this.#row.id, this.#row.turn, delta),
    })
  }

  /** starting -> running, together with the input that is handed to the agent. Null: the lease is lost. */
  async #begin(runnerVersion: string | null): Promise<string | null> {
    const input = await queuedInput(this.#deps.db, this.#row.id, this.#row.turn)
    if (!input) throw new Error(`run ${this.#row.id} has nothing to tell the agent`)
    const isOurs = await this.#writer.change({
      from: ['starting'],
      patch: {
        status: 'running',
        phase: 'executing',
        runner_version: runnerVersion,
        contained: this.#deps.launcher.containment,
        resume_mode: this.#row.session_id === null ? 'fresh' : 'native',
      },
      events: [
        statusEvent('starting', 'running', null),
        progressEvent('executing'),
        {
          payload: {
            input: {
              input_id: input.id,
              status: 'delivered',
              delivery: input.delivery,
              content: input.content,
              source: input.source,
            },
          },
          synthetic: true,
        },
      ],
      also: (tx) => deliverInput(tx, input.id),
    })
    this.#status = 'running'
    return isOurs ? input.content : null
  }

  async #finish(outcome: TurnOutcome, workspace: Workspace): Promise<void> {
    await this.#writer.flush()
    if (this.#writer.isLost) return
    await this.#phase('collecting_results')
    const captured = workspace.sandbox ? await this.#capture(workspace.sandbox.id, outcome) : null
    const end = endOfTurn({
      outcome,
      aborted: this.#abort.reason,
      mode: this.#row.mode,
      diff: captured?.summary ?? null,
    })
    const isAutomatic = end.status === 'needs_review' && !this.#config.requiresApproval
    const isOurs = await this.#writer.change({
      from: ['running', 'starting'],
      patch: {
        ...outcomePatch(this.#row, outcome),
        ...endPatch(end),
        ...diffPatch(captured?.summary ?? null),
      },
      events: [progressEvent(end.phase), statusEvent(this.#status, end.status, end.reason)],
      also: async (tx) => {
        if (captured) await this.#keepDiff(tx, captured)
        if (captured && isAutomatic) await this.#intendLanding(tx, captured.summary)
      },
    })
    if (!isOurs) return
    this.#deps.log.info(
      { run_id: this.#row.id, attempt: this.#row.attempt, status: end.status },
      'turn ended',
    )
    if (end.status === 'needs_review') await this.#stopSandbox(workspace)
    if (isAutomatic) this.#deps.landUnreviewed(this.#row.id)
    if (!workspace.sandbox)
      await rm(join(this.#deps.dataDir, 'runs', this.#row.id), { recursive: true, force: true })
  }

  /** A turn that failed keeps what it did where it can; a good turn without a readable diff is a failure. */
  async #capture(
    sandboxId: string,
    outcome: TurnOutcome,
  ): Promise<{ diff: SandboxDiff; summary: DiffSummary } | null> {
    try {
      const diff = await this.#deps.sandbox.diff(sandboxId)
      return { diff, summary: summarise(diff) }
    } catch (error) {
      if (outcome.kind === 'completed') throw error
      await this.#writer.write({
        payload: { log: { level: 'warn', message: `the diff could not be read: ${messageOf(error)}` } },
        synthetic: true,
      })
      return null
    }
  }

  #keepDiff(tx: Db, captured: { diff: SandboxDiff; summary: DiffSummary }): Promise<void> {
    return insertDiff(tx, {
      runId: this.#row.id,
      turn: this.#row.turn,
      digest: captured.summary.digest,
      content: captured.diff.text,
      files: captured.diff.files,
    })
  }

  async #intendLanding(tx: Db, diff: DiffSummary): Promise<void> {
    const message = commitMessage({
      message: null,
      taskTitle: this.#taskTitle,
      runId: this.#row.id,
      taskId: this.#row.task_id,
      approver: 'agent-manager',
    })
    await insertApproval(tx, {
      id: uuid(),
      runId: this.#row.id,
      turn: this.#row.turn,
      digest: diff.digest,
      actor: 'agent-manager',
      automatic: true,
      createCommit: null,
      commitMessage: storableText(message, this.#deps.redactor),
      replicaId: this.#deps.replicaId,
    })
  }

  async #stopSandbox(workspace: Workspace): Promise<void> {
    if (!workspace.sandbox) return
    try {
      await this.#deps.sandbox.stop(workspace.sandbox.id)
    } catch (error) {
      // It is stopped to save resources only; its changes are read and decided on either way.
      this.#deps.log.warn({ run_id: this.#row.id, error: messageOf(error) }, 'sandbox not stopped')
    }
  }

  /** The run starts over, here or elsewhere, in a fresh sandbox; a drain does not count as a failed attempt. */
  async #handBack(): Promise<void> {
    if (this.#row.mode === 'in_place') {
      // What it wrote into the project cannot be told from what it did not get to: nobody runs it again unasked.
      const failure = failureOf('lease_lost', 'The service let go of this in-place run; look at the project.')
      return this.#end(failed(failure))
    }
    const isLost = this.#abort.reason === 'lost'
    const failure = isLost ? exhausted(this.#row) : null
    if (failure) return this.#end(failed(failure))
    await this.#writer.change({
      from: ['starting', 'running'],
      patch: handBackPatch(this.#row, { counts: isLost, hasSandbox: this.#hasSandbox }),
      events: [statusEvent(this.#status, 'pending', isLost ? 'lease_lost' : 'drain')],
      also: (tx) => requeueInputs(tx, this.#row.id, this.#row.turn),
    })
  }

  async #fail(error: unknown): Promise<void> {
    this.#deps.log.error(
      { run_id: this.#row.id, attempt: this.#row.attempt, error: messageOf(error) },
      'run failed',
    )
    if (this.#writer.isLost) return
    const aborted = this.#abort.reason
    if (this.#isCut) return this.#handBack()
    const end = aborted === 'stop' ? stopped : failed(maskFailure(failureFrom(error), this.#deps.redactor))
    await this.#end(end)
  }

  async #end(end: TurnEnd): Promise<void> {
    await this.#writer.change({
      from: ['starting', 'running'],
      patch: endPatch(end),
      events: [statusEvent(this.#status, end.status, end.reason)],
    })
    if (this.#row.mode === 'in_place') await this.#removeFolders()
  }

  async #removeFolders(): Promise<void> {
    await rm(join(this.#deps.dataDir, 'runs', this.#row.id), { recursive: true, force: true })
  }

  async #phase(phase: RunPhase): Promise<void> {
    await this.#writer.change({
      from: ['starting', 'running'],
      patch: { phase },
      events: [progressEvent(phase)],
    })
  }

  get #marker(): string {
    return `${this.#deps.installationId}:${this.#row.id}:${this.#row.attempt}:${this.#deps.replicaId}`
  }
}
