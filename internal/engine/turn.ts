/** One turn of the agent: the adapter with everything it asks for, bounded by the run's deadlines. */
import type { Kysely } from 'kysely'
import { isTransient } from '../db/pg-error.ts'
import type { Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { Redactor } from '../event/redactor.ts'
import type { InteractionAnswer } from '../interaction/interaction.ts'
import type { LaunchedProcess, Launcher } from '../launcher/port.ts'
import type { Logger } from '../log.ts'
import type { RunConfig } from '../run/run.ts'
import type {
  Delta,
  PermissionDecision,
  PermissionRequest,
  RunnerAdapter,
  TurnOutcome,
  TurnRequest,
} from '../runner/port.ts'
import type { RunAbort } from './abort.ts'
import { Deadlines } from './deadlines.ts'
import { InteractionDesk } from './interaction-desk.ts'
import { type GateFacts, judge } from './permission-gate.ts'
import type { RunWriter } from './run-writer.ts'
import { Steering } from './steering.ts'
import { failureOf } from './turn-end.ts'
import type { Workspace } from './workspace.ts'

const START_TIMEOUT_MS = 60_000

export interface TurnDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly redactor: Redactor
  readonly adapter: RunnerAdapter
  readonly launcher: Launcher
  readonly config: RunConfig
  readonly writer: RunWriter
  readonly abort: RunAbort
  readonly workspace: Workspace
  readonly run: { readonly id: string; readonly turn: number; readonly attempt: number; readonly since: Date }
  /** The home the agent sees: the run's own, or the operator's. */
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  readonly mcpEnv: Readonly<Record<string, string>>
  readonly prompt: string
  readonly resumePrompt: string | null
  readonly sessionId: string | null
  readonly openAtCut: number
  /** What the container must show and hide besides. */
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  readonly hidden: readonly string[]
  readonly parkAfterMs: number
  isWatched(): boolean
  sessionStarted(sessionId: string, resumed: boolean): Promise<void>
  delta(delta: Delta): void
}

/** A turn that runs, for whoever has news for it. */
export interface LiveTurn {
  readonly desk: InteractionDesk
  readonly steering: Steering
}

/** Never throws: a bug in an adapter is a failed turn. @param live called once the turn can take news */
export async function runTurn(deps: TurnDeps, live: (turn: LiveTurn) => void): Promise<TurnOutcome> {
  const { adapter, config, writer, abort, workspace } = deps
  const deadlines = new Deadlines(abort, { wallMs: config.timeoutMs, idleMs: config.idleTimeoutMs })
  const steering = new Steering({ ...deps, runId: deps.run.id, turn: deps.run.turn })
  try {
    const desk = await openDesk(deps, deadlines)
    live({ desk, steering })
    return await adapter.runTurn({
      prompt: deps.prompt,
      resumePrompt: deps.resumePrompt,
      cwd: workspace.cwd,
      root: workspace.root,
      home: deps.home,
      model: config.model,
      permissionMode: config.permissionMode,
      contained: deps.launcher.containment === 'full',
      sessionId: deps.sessionId,
      openAtCut: deps.openAtCut,
      env: deps.env,
      startTimeoutMs: START_TIMEOUT_MS,
      maxTurns: config.maxTurns,
      allowedTools: config.allowedTools,
      deniedTools: config.deniedTools,
      asksToWrite: config.allowedPaths.length > 0 || config.deniedPaths.length > 0,
      mcpServers: config.mcpServers,
      mcpEnv: deps.mcpEnv,
      trustProject: config.trustProject,
      signal: abort.signal,
      launch: (program) => launch(deps, program),
      emit: (event) => {
        deadlines.touch()
        return writer.write(event)
      },
      delta: (delta) => {
        deadlines.touch()
        deps.delta(delta)
      },
      hide: (secret) => void deps.redactor.add(secret),
      decide: (request) => decide(deps, desk, request),
      ask: async (request) => {
        const answer = await desk.question(request)
        return { answers: answer?.answers ?? null, message: answer?.message ?? 'Nobody answered.' }
      },
      sessionStarted: deps.sessionStarted,
      takeSteers: (handler) => steering.attach(handler),
    })
  } catch (error) {
    if (isTransient(error)) abort.abort('lost') // no bug: the database was away for long
    return {
      kind: 'failed',
      failure: failureOf('internal', `The ${adapter.type} adapter failed: ${messageOf(error)}`),
      usage: {
        inputTokens: 0,
        outputTokens: 0,
        cacheReadTokens: 0,
        cacheCreationTokens: 0,
        totalCostUsd: null,
      },
      sessionId: null,
    }
  } finally {
    steering.close()
    deadlines.clear()
  }
}

type Program = Parameters<TurnRequest['launch']>[0]

async function launch(deps: TurnDeps, program: Program): Promise<LaunchedProcess> {
  const { launcher, workspace, config, run } = deps
  // We may have been paused since the run began, and somebody else may have it by now.
  if (!deps.writer.isTrusted) throw new Error('the lease of this run cannot be relied on any more')
  const launched = await launcher.launch({
    argv: program.argv,
    env: program.env,
    cwd: workspace.cwd,
    writable: [workspace.root, ...deps.writable],
    readable: [...deps.readable, ...program.readable],
    hidden: deps.hidden,
    network: config.network,
  })
  deps.log.info({ run_id: run.id, pid: launched.pid, contained: launcher.containment }, 'agent started')
  return launched
}

function openDesk(deps: TurnDeps, deadlines: Deadlines): Promise<InteractionDesk> {
  const { run, abort, adapter } = deps
  const desk = {
    ...deps,
    runId: run.id,
    turn: run.turn,
    attempt: run.attempt,
    deadlines,
    signal: abort.signal,
    parkAfterMs: adapter.capabilities.continuation ? deps.parkAfterMs : null,
    park: () => abort.abort('park'),
  }
  return InteractionDesk.open(desk, run.since)
}

async function decide(
  deps: TurnDeps,
  desk: InteractionDesk,
  request: PermissionRequest,
): Promise<PermissionDecision> {
  const facts: GateFacts = {
    config: deps.config,
    contained: deps.launcher.containment === 'full',
    root: deps.workspace.root,
  }
  const verdict = judge(facts, request)
  if (verdict.kind === 'allow') return { allow: true, message: '' }
  if (verdict.kind === 'deny') return { allow: false, message: verdict.message }
  const answer = await desk.permission(request)
  if (answer?.interrupt) deps.abort.abort('interrupt')
  return decisionOf(answer)
}

function decisionOf(answer: InteractionAnswer | null): PermissionDecision {
  if (answer === null) return { allow: false, message: 'The turn is ending.' }
  if (answer.decision === 'allow') {
    const changed = answer.input === null ? {} : { input: answer.input }
    return { allow: true, message: answer.message ?? '', ...changed }
  }
  const message = answer.message ?? 'A person did not allow this.'
  return { allow: false, message, ...(answer.interrupt && { interrupt: true }) }
}
