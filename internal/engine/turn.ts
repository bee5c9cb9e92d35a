/** One turn of the agent: the adapter with everything it asks for, bounded by the run's deadlines. */
import { messageOf } from '../errors.ts'
import type { Launcher } from '../launcher/port.ts'
import type { RunConfig } from '../run/run.ts'
import type { Delta, RunnerAdapter, TurnOutcome } from '../runner/port.ts'
import type { RunAbort } from './abort.ts'
import type { RunFolders } from './agent-environment.ts'
import { Deadlines } from './deadlines.ts'
import { decidePermission } from './permission-gate.ts'
import type { RunWriter } from './run-writer.ts'
import { failureOf } from './turn-end.ts'
import type { Workspace } from './workspace.ts'

const START_TIMEOUT_MS = 60_000

export interface TurnDeps {
  readonly adapter: RunnerAdapter
  readonly launcher: Launcher
  readonly config: RunConfig
  readonly writer: RunWriter
  readonly abort: RunAbort
  readonly workspace: Workspace
  readonly folders: RunFolders
  /** The home the agent sees: the run's own, or the operator's. */
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  readonly prompt: string
  readonly sessionId: string | null
  /** What the container must show and hide besides. */
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  readonly hidden: readonly string[]
  delta(delta: Delta): void
  hide(secret: string): void
}

/** Never throws: a bug in an adapter is a failed turn. */
export async function runTurn(deps: TurnDeps): Promise<TurnOutcome> {
  const { adapter, config, writer, abort, workspace } = deps
  const deadlines = new Deadlines(abort, { wallMs: config.timeoutMs, idleMs: config.idleTimeoutMs })
  try {
    return await adapter.runTurn({
      prompt: deps.prompt,
      cwd: workspace.cwd,
      home: deps.home,
      model: config.model,
      permissionMode: config.permissionMode,
      contained: deps.launcher.containment === 'full',
      sessionId: deps.sessionId,
      env: deps.env,
      startTimeoutMs: START_TIMEOUT_MS,
      maxTurns: config.maxTurns,
      signal: abort.signal,
      launch: (program) =>
        deps.launcher.launch({
          argv: program.argv,
          env: program.env,
          cwd: workspace.cwd,
          writable: [workspace.root, ...deps.writable],
          readable: [...deps.readable, ...program.readable],
          hidden: deps.hidden,
          network: config.network,
        }),
      emit: (event) => {
        deadlines.touch()
        return writer.write(event)
      },
      delta: (delta) => {
        deadlines.touch()
        deps.delta(delta)
      },
      hide: deps.hide,
      decide: (request) => Promise.resolve(decidePermission(config.permissionMode, request)),
    })
  } catch (error) {
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
    deadlines.clear()
  }
}
