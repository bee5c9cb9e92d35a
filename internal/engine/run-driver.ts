/**
 * Drives one claimed run from its sandbox to its end. Every step is written before the next one begins, so
 * wherever this process dies, the row says how far it came and the reaper knows what to do:
 * a sandbox is made under a key that finds it again, and the agent dies with us (launcher) before the lease
 * does.
 */
import { rm } from 'node:fs/promises'
import { isTransient } from '../db/pg-error.ts'
import { messageOf } from '../errors.ts'
import type { NewEvent } from '../event/event.ts'
import { resolveScope } from '../project-root.ts'
import { configEvent } from '../run/config-event.ts'
import { deliverInput, InputChanged, inputEvent, requeueInputs } from '../run/input-store.ts'
import type { RunPhase } from '../run/run.ts'
import type { RunInput } from '../run/run-input.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import type { Delta, RunnerCapabilities, TurnOutcome } from '../runner/port.ts'
import type { Sandbox } from '../sandbox/port.ts'
import { ConfigSourcesSchema, RunConfigSchema } from '../stored-json.ts'
import { findTask } from '../task/task-store.ts'
import { type AbortReason, isCut, type RunAbort } from './abort.ts'
import { agentEnvironment, makeRunFolders, mcpEnvironment } from './agent-environment.ts'
import { agentMounts } from './agent-mounts.ts'
import { captureDiff, intendLanding, keepDiff } from './captured-diff.ts'
import { closeWaiting } from './close-waiting.ts'
import type { DriverDeps } from './driver-deps.ts'
import { canGoOn, lostFailure } from './going-on.ts'
import { exhausted, lostAttempts } from './lost-attempts.ts'
import {
  diffPatch,
  endPatch,
  failed,
  failureFrom,
  goOnPatch,
  maskFailure,
  maskOutcome,
  outcomePatch,
  progressEvent,
  SandboxLost,
  sandboxAwayEvent,
  startOverPatch,
  stopped,
  stoppedBeforeStart,
} from './run-changes.ts'
import { recordSandbox } from './run-work-store.ts'
import type { Change, RunWriter } from './run-writer.ts'
import { withPatience } from './sandbox-patience.ts'
import { openedEvents } from './snapshots.ts'
import { type LiveTurn, runTurn } from './turn.ts'
import { endOfTurn, failureOf, type TurnEnd } from './turn-end.ts'
import { planTurn, type TurnPlan } from './turn-plan.ts'
import { openWorkspace, stopSandbox, type Workspace } from './workspace.ts'

export class RunDriver {
  readonly #deps: DriverDeps
  readonly #row: ClaimedRow
  readonly #writer: RunWriter
  readonly #abort: RunAbort
  readonly #config: ReturnType<typeof RunConfigSchema.parse>
  #status: 'starting' | 'running' = 'starting'
  #hasSandbox = false
  /** Made, and not in the run's row yet: written with the next change, so that the agent need not wait for two. */
  #toRecord: { readonly sandbox: Sandbox; readonly events: readonly NewEvent[] } | null = null
  /** The agent works where the run's earlier turns and attempts did. */
  #isSameFolder = false
  #sessionId: string | null
  #taskTitle = ''
  #live: LiveTurn | null = null
  /** Asked of git while the sandbox is made. */
  #objectFolders: Promise<readonly string[]> = Promise.resolve([])

  constructor(deps: DriverDeps, row: ClaimedRow, writer: RunWriter, abort: RunAbort) {
    this.#deps = deps
    this.#row = row
    this.#writer = writer
    this.#abort = abort
    this.#config = RunConfigSchema.parse(JSON.parse(row.config))
    this.#sessionId = row.session_id
  }

  /** Rows of interactions or inputs may have changed. Never rejects. */
  async look(): Promise<void> {
    try {
      if (this.#live?.desk.isWaiting) await this.#live.desk.look()
    } catch (error) {
      this.#deps.log.warn({ run_id: this.#row.id, error: messageOf(error) }, 'answers not read yet')
    }
  }

  /** Inputs for the running turn may wait. Never rejects. */
  steer(): Promise<void> {
    return this.#live?.steering.deliver() ?? Promise.resolve()
  }

  /** Returns when the run is no longer ours: ended, handed back, or lost. */
  async drive(): Promise<void> {
    try {
      const workspace = await this.#openWorkspace()
      const outcome = maskOutcome(await this.#execute(workspace), this.#deps.redactor)
      // As it is now: what ended the agent decides, not what happens while its end is written down.
      const { reason } = this.#abort
      if (isCut(reason) && outcome.kind !== 'completed') return await this.#handBack(outcome)
      await this.#finish(outcome, workspace, reason)
    } catch (error) {
      await this.#fail(error)
    }
  }

  async #openWorkspace(): Promise<Workspace> {
    const task = await this.#writer.read(() => findTask(this.#deps.db, this.#row.task_id))
    if (!task) throw new Error(`run ${this.#row.id} has no task`)
    this.#taskTitle = task.title
    const project = await resolveScope(task, this.#deps.projectRoots)
    this.#objectFolders = this.#deps.project.objectFolders(project.projectRoot)
    this.#objectFolders.catch(() => {}) // whoever awaits it meets the error
    const opening = this.#patiently(() => openWorkspace(this.#row, project, this.#deps.sandbox))
    // The sandbox has a key that finds it again, so it need not wait for the word about it.
    const told = this.#row.mode === 'sandboxed' ? this.#phase('sandbox_creating') : undefined
    const [opened] = await Promise.allSettled([opening, told])
    if (opened.status === 'rejected') throw opened.reason
    const workspace = opened.value
    const { sandbox } = workspace
    this.#isSameFolder = sandbox === null || sandbox.id === this.#row.sandbox_id
    this.#toRecord = sandbox && {
      sandbox,
      events: await this.#writer.read(() => openedEvents(this.#deps.db, this.#row, sandbox)),
    }
    const before = this.#row.sandbox_id
    const isLost = before !== null && !this.#isSameFolder
    if (isLost && this.#config.onLost === 'fail') throw new SandboxLost(before)
    return workspace
  }

  #patiently<T>(ask: () => Promise<T>): Promise<T> {
    const waiting = (why: string) => void this.#writer.write(sandboxAwayEvent(why))
    return withPatience(ask, waiting, this.#abort.signal)
  }

  /** A change of the run's row that also writes down the sandbox it has got. */
  async #change(change: Change): Promise<boolean> {
    if (this.#toRecord === null) return this.#writer.change(change)
    const { sandbox, events } = this.#toRecord
    const { sandbox_generation: generation, id } = this.#row
    const isOurs = await this.#writer.change({
      ...change,
      patch: { sandbox_id: sandbox.id, ...change.patch },
      events: [...events, ...change.events],
      also: async (tx, stored) => {
        await recordSandbox(tx, id, generation, sandbox.id)
        await change.also?.(tx, stored)
      },
    })
    this.#toRecord = null
    this.#hasSandbox = isOurs
    return isOurs
  }

  async #execute(workspace: Workspace): Promise<TurnOutcome> {
    const { registry, launcher, redactor, service } = this.#deps
    const adapter = registry.adapter(this.#config.runnerType)
    const probe = await registry.probe(this.#config.runnerType)
    const folders = await makeRunFolders(this.#deps.dataDir, this.#row.id)
    const operatorHome = service['HOME'] ?? folders.home
    const isIsolated = this.#config.home === 'isolated'
    const home = isIsolated ? folders.home : operatorHome
    const { capabilities } = adapter
    const mounts = await agentMounts({
      workspace,
      adapter,
      tmp: folders.tmp,
      home,
      operatorHome,
      dataDir: this.#deps.dataDir,
      objectFolders: await this.#objectFolders,
    })
    const plan = await this.#begin(probe.version, capabilities)
    if (plan === null || this.#abort.reason !== null) return stoppedBeforeStart
    const turn = {
      ...this.#deps,
      ...plan,
      adapter,
      launcher,
      config: this.#config,
      writer: this.#writer,
      abort: this.#abort,
      workspace,
      run: {
        id: this.#row.id,
        turn: this.#row.turn,
        attempt: this.#row.attempt,
        since: this.#row.last_heartbeat_at ?? new Date(),
      },
      home,
      mcpEnv: mcpEnvironment(this.#config.mcpServers, service, redactor),
      env: agentEnvironment({
        config: this.#config,
        home,
        tmp: folders.tmp,
        marker: this.#marker,
        service,
        redactor,
      }),
      ...mounts,
      isWatched: () => this.#deps.isWatched(this.#row.id),
      sessionStarted: (id: string, resumed: boolean) => this.#sessionStarted(id, resumed, plan),
      delta: (delta: Delta) => this.#deps.publishDelta(this.#row.id, this.#row.turn, delta),
    }
    try {
      return await runTurn(turn, (live) => {
        this.#live = live
      })
    } finally {
      this.#live = null
      await rm(folders.tmp, { recursive: true, force: true })
    }
  }

  /** From here on the turn can be cut and go on. */
  async #sessionStarted(sessionId: string, resumed: boolean, plan: TurnPlan): Promise<void> {
    this.#sessionId = sessionId
    const mode = resumed ? 'native' : plan.isReplay ? 'replayed' : 'fresh'
    const sources = ConfigSourcesSchema.parse(JSON.parse(this.#row.config_sources))
    const isFirst = this.#row.turn === 1 && this.#row.attempt === 1 && !plan.isReplay
    await this.#writer.change({
      from: ['running'],
      patch: { session_id: sessionId, resume_mode: mode },
      events: isFirst ? [] : [configEvent(this.#config, sources, mode)],
    })
  }

  /** starting -> running. Null: the lease is lost, or what the agent was to be told has been taken back. */
  async #begin(version: string | null, capabilities: RunnerCapabilities): Promise<TurnPlan | null> {
    for (;;) {
      const facts = { isSameFolder: this.#isSameFolder, capabilities }
      const plan = await this.#writer.read(() => planTurn(this.#deps.db, this.#row, facts))
      try {
        const isOurs = await this.#run(version, plan?.input ?? null)
        // Nothing to do is no failure: the turn rests where it is.
        if (plan === null) this.#abort.abort('interrupt')
        return isOurs ? plan : null
      } catch (error) {
        if (!(error instanceof InputChanged)) throw error // else: as it is now
      }
    }
  }

  /** The status together with the input that is handed to the agent. False: the lease is lost. @throws InputChanged */
  async #run(version: string | null, input: RunInput | null): Promise<boolean> {
    const events = [
      progressEvent('runner_acquiring'),
      statusEvent('starting', 'running', null),
      progressEvent('executing'),
    ]
    const contained = this.#deps.launcher.containment
    const isOurs = await this.#change({
      from: ['starting'],
      patch: { status: 'running', phase: 'executing', runner_version: version, contained },
      events: input === null ? events : [...events, inputEvent(input, 'delivered')],
      also: async (tx, stored) => {
        if (input === null) return
        await deliverInput(tx, input, { turn: this.#row.turn, sequence: stored.at(-1)?.seq ?? null })
      },
    })
    this.#status = 'running'
    return isOurs
  }

  async #finish(outcome: TurnOutcome, workspace: Workspace, endedBy: AbortReason | null): Promise<void> {
    await this.#writer.flush()
    if (this.#writer.isLost) return
    const told = this.#phase('collecting_results')
    const { sandbox } = this.#deps
    const reading = captureDiff(
      { diff: (id) => this.#patiently(() => sandbox.diff(id)), writer: this.#writer },
      workspace,
      outcome.kind === 'completed',
    )
    await Promise.allSettled([told, reading])
    await told
    const captured = await reading
    const end = endOfTurn({
      outcome,
      // A stop is a promise that was made, whenever it came.
      aborted: this.#abort.reason === 'stop' ? 'stop' : endedBy,
      mode: this.#row.mode,
      diff: captured?.summary ?? null,
    })
    const isAutomatic = end.status === 'needs_review' && !this.#config.requiresApproval
    await this.#closeWaiting()
    const isOurs = await this.#writer.change({
      from: ['running', 'starting'],
      patch: {
        ...outcomePatch(this.#row, outcome),
        ...endPatch(end),
        ...diffPatch(captured?.summary ?? null),
      },
      events: [progressEvent(end.phase), statusEvent(this.#status, end.status, end.reason)],
      also: async (tx) => {
        if (!captured) return
        await keepDiff(tx, this.#row, captured)
        if (isAutomatic)
          await intendLanding(tx, this.#deps, { ...this.#row, title: this.#taskTitle }, captured)
      },
    })
    if (!isOurs) return
    this.#deps.log.info(
      { run_id: this.#row.id, attempt: this.#row.attempt, status: end.status },
      'turn ended',
    )
    if (end.status !== 'complete') await stopSandbox(this.#deps, workspace, this.#row.id)
    if (isAutomatic) this.#deps.landUnreviewed(this.#row.id)
    else this.#deps.goOn(this.#row.id)
  }

  /**
   * Back to the queue: the turn goes on where it was cut, or starts over in a fresh sandbox. Only a lost lease
   * counts as a failed attempt.
   */
  async #handBack(outcome: TurnOutcome): Promise<void> {
    const { reason } = this.#abort
    const isLost = reason === 'lost'
    const goesOn = this.#goesOn()
    const mayGoOn = (goesOn && reason === 'park') || this.#status === 'starting'
    if (this.#row.mode === 'in_place' && !mayGoOn) {
      // What it wrote into the project cannot be told from what it did not get to: nobody runs it again unasked.
      const failure = failureOf('lease_lost', 'The service let go of this in-place run; look at the project.')
      return this.#end(failed(failure))
    }
    const lost = isLost ? await lostAttempts(this.#deps.db, this.#row) : null
    const keepsProgress = goesOn && lost?.hasProgress === true
    const failure = lost && (exhausted(this.#row, lost, keepsProgress) ?? lostFailure(this.#row))
    if (failure) return this.#end(failed(failure))
    const word = reason === 'park' ? 'parked' : isLost ? 'lease_lost' : 'drain'
    const events = [statusEvent(this.#status, 'pending', word)]
    const counts = { counts: isLost, keepsProgress }
    // Before it ran nothing was told or done: what earlier turns left in the sandbox must stay.
    if (goesOn || this.#status === 'starting') {
      const patch = { ...outcomePatch(this.#row, outcome), ...goOnPatch(this.#row, counts) }
      await this.#writer.change({ from: ['starting', 'running'], patch, events })
      return
    }
    await this.#closeWaiting()
    await this.#writer.change({
      from: ['starting', 'running'],
      patch: startOverPatch(this.#row, { ...counts, hasSandbox: this.#hasSandbox }),
      events,
      also: (tx) => requeueInputs(tx, this.#row.id, this.#row.turn),
    })
  }

  /** Whether a cut turn keeps its session: the adapter has seen its agent end. */
  #goesOn(): boolean {
    const sandboxId = this.#isSameFolder || this.#hasSandbox ? (this.#row.sandbox_id ?? 'ours') : null
    const now = { ...this.#row, session_id: this.#sessionId, sandbox_id: sandboxId }
    return this.#status === 'running' && canGoOn(now, this.#deps.registry)
  }

  #closeWaiting(): Promise<void> {
    const { db, redactor } = this.#deps
    const run = { runId: this.#row.id, inputs: this.#abort.reason === 'stop' }
    return closeWaiting({ db, redactor, writer: this.#writer }, run)
  }

  async #fail(error: unknown): Promise<void> {
    this.#deps.log.error(
      { run_id: this.#row.id, attempt: this.#row.attempt, error: messageOf(error) },
      'run failed',
    )
    if (this.#writer.isLost) return
    // The database was away for longer than the lease could be relied on: whoever comes next goes on.
    if (isTransient(error)) this.#abort.abort('lost')
    const aborted = this.#abort.reason
    if (isCut(this.#abort.reason)) return this.#handBack(stoppedBeforeStart)
    const end = aborted === 'stop' ? stopped : failed(maskFailure(failureFrom(error), this.#deps.redactor))
    await this.#end(end)
  }

  async #end(end: TurnEnd): Promise<void> {
    await this.#closeWaiting()
    await this.#change({
      from: ['starting', 'running'],
      patch: endPatch(end),
      events: [statusEvent(this.#status, end.status, end.reason)],
    })
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
