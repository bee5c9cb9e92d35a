/**
 * The runner port: what the engine asks of an adapter for one foreign agent program, and what the adapter
 * says about it. Adapters speak the CLI's own protocol; nothing of it passes this line except as `raw`.
 */
import type { NewEvent } from '../event/event.ts'
import type { LaunchedProcess } from '../launcher/port.ts'

export const RUNNER_TYPES = ['claude-code', 'codex', 'opencode'] as const
export type RunnerType = (typeof RUNNER_TYPES)[number]

export const PERMISSION_MODES = ['ask', 'auto', 'read_only', 'bypass'] as const
export type PermissionMode = (typeof PERMISSION_MODES)[number]

export interface RunnerCapabilities {
  readonly messages: boolean
  readonly toolEvents: boolean
  readonly costTracking: boolean
  readonly streaming: boolean
  readonly cancellation: boolean
  readonly thinking: boolean
  readonly interactions: boolean
  readonly questions: boolean
  readonly interrupt: boolean
  readonly continuation: boolean
  readonly fork: boolean
  readonly steer: boolean
  readonly queue: boolean
  readonly images: boolean
  readonly mcp: boolean
  readonly structuredOutput: boolean
  readonly maxTurns: boolean
  readonly toolAllow: boolean
  readonly toolDeny: boolean
  readonly networkDeny: boolean
  readonly resumeAnyDirectory: boolean
  readonly nativeSandbox: boolean
  readonly permissionModes: readonly PermissionMode[]
}

/** What a look at the installed program found. */
export interface RunnerProbe {
  readonly available: boolean
  readonly version: string | null
  readonly versionSupported: boolean
  /** One sentence for a person; where it is not available, it says what to do. */
  readonly message: string
}

/** A model by the name that `model` of a profile takes. */
export interface RunnerModel {
  readonly id: string
  readonly description: string
}

/** What it takes to bring a program up for a look at it. */
export interface StartTrial {
  /** Folders of its own, writable, thrown away afterwards. */
  readonly home: string
  readonly cwd: string
  /** The environment without the runner's own settings. */
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly launch: TurnRequest['launch']
}

export type FailureCode =
  | 'agent_error'
  | 'agent_crashed'
  | 'provider_auth'
  | 'provider_rejected'
  | 'rate_limited'
  | 'context_overflow'
  | 'idle_timeout'
  | 'wall_timeout'
  | 'start_timeout'
  | 'queue_timeout'
  | 'budget_exceeded'
  | 'nothing_happened'
  | 'sandbox_error'
  | 'sandbox_lost'
  | 'lease_lost'
  | 'attempts_exhausted'
  | 'policy_denied'
  | 'storage_full'
  | 'internal'

/** Why a run failed; data on the run, never an exception. */
export interface Failure {
  readonly code: FailureCode
  readonly message: string
  readonly recovery: 'none' | 'fix_input' | 'wait' | 'retry_backoff' | 'use_alternative' | 'escalate'
  readonly retryable: boolean
  readonly exitCode: number | null
  readonly signal: string | null
  /** The last of what the program wrote to stderr, at most 4 KiB. */
  readonly stderrTail: string | null
}

export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadTokens: number
  readonly cacheCreationTokens: number
  /** null: the runner cannot say. */
  readonly totalCostUsd: number | null
}

/** A piece of text on its way: shown to watchers, never stored or numbered. */
export interface Delta {
  readonly messageId: string
  readonly kind: 'text' | 'thinking'
  readonly text: string
}

export interface PermissionRequest {
  /** Our tool name (`write`, `shell`, `mcp:<server>:<tool>`, …) where known, else the CLI's. */
  readonly toolName: string
  /** `outside`: it reaches out of the sandbox; `inside`: it does not. */
  readonly reach: 'inside' | 'outside'
  /** For a person: the path, command or address it is about. */
  readonly detail: string
  /** What the tool would be called with: JSON. */
  readonly input: unknown
  /** Absolute path of the file or folder it is about; null: it is about none, or about several. */
  readonly path: string | null
  /** Aborted when the agent does not want to know any more; the decision is then of no use. */
  readonly withdrawn: AbortSignal
}

export interface PermissionDecision {
  readonly allow: boolean
  /** Told to the agent when denied. */
  readonly message: string
  /** Allowed, but with this input instead of the one asked for. */
  readonly input?: unknown
  /** Denied, and the turn shall end here. */
  readonly interrupt?: boolean
}

export interface Question {
  readonly question: string
  /** A short title; null: none. */
  readonly header: string | null
  readonly options: readonly { readonly label: string; readonly description: string | null }[]
  readonly multiSelect: boolean
}

export interface QuestionRequest {
  readonly questions: readonly Question[]
  /** What the agent's question tool was called with: JSON. */
  readonly input: unknown
  readonly withdrawn: AbortSignal
}

/** What a person said to a `QuestionRequest`. */
export interface QuestionAnswer {
  /** By question text: the label of an option, several joined by ", ", or free text. Null: nobody answered. */
  readonly answers: Readonly<Record<string, string>> | null
  /** Told to the agent when nobody answered. */
  readonly message: string
}

/** A further input for a turn that runs. */
export interface Steer {
  readonly id: string
  readonly text: string
}

/** A server of tools the agent may use; secrets go by name of a variable of the service's environment. */
export type McpServer =
  | {
      readonly name: string
      readonly command: string
      readonly args: readonly string[]
      /** Names of environment variables it gets. */
      readonly env: readonly string[]
    }
  | {
      readonly name: string
      readonly url: string
      /** Header name -> name of the environment variable that holds its value. */
      readonly headersEnv: Readonly<Record<string, string>>
    }

/** What one turn needs. The adapter keeps no state between turns beyond the folder `home`. */
export interface TurnRequest {
  readonly prompt: string
  /**
   * Told instead of `prompt` where the session of a turn that was cut is still there and goes on; null: this turn
   * was not cut.
   */
  readonly resumePrompt: string | null
  /** `mergedDir` of the sandbox, or the project for an in-place run, plus the scope. */
  readonly cwd: string
  /** The view of the project root: what lies in it is inside the sandbox. `cwd` is in it. */
  readonly root: string
  /** The run's own home, writable, kept between turns of one run. */
  readonly home: string
  /** `provider/model` or whatever the runner calls it; null: the CLI's default. */
  readonly model: string | null
  readonly permissionMode: PermissionMode
  /** False: nothing holds the program back from the rest of the machine, so in `auto` commands are asked too. */
  readonly contained: boolean
  /** Native session to go on with; null: a new one. */
  readonly sessionId: string | null
  /**
   * How many of the session's last tool calls waited for a decision when its turn was cut, and were never carried
   * out: they can be taken back and made again. 0: none, or the turn was not cut.
   */
  readonly openAtCut: number
  /** The environment the run gets, without the runner's own settings. */
  readonly env: Readonly<Record<string, string>>
  /** How long the program may take to be ready for the prompt. */
  readonly startTimeoutMs: number
  /** At most this many model calls in the turn. */
  readonly maxTurns: number
  /** Not empty: only these tools exist. Names and rules as in tools.ts. */
  readonly allowedTools: readonly string[]
  readonly deniedTools: readonly string[]
  /** Rules about paths hold in this run: each write has to be asked, so that the gate sees its path. */
  readonly asksToWrite: boolean
  readonly mcpServers: readonly McpServer[]
  /** Values for the names that `mcpServers` mention: name -> value. */
  readonly mcpEnv: Readonly<Record<string, string>>
  /** Whether hooks, MCP servers and settings that lie in the project may run. */
  readonly trustProject: boolean
  /** Starts the program in the run's container; `readable` are paths of the CLI itself. */
  launch(program: {
    argv: readonly [string, ...string[]]
    env: Readonly<Record<string, string>>
    readable: readonly string[]
  }): Promise<LaunchedProcess>
  /** Hands an event to the log. Waits when the log lags: stop reading the program's output meanwhile. */
  emit(event: NewEvent): Promise<void>
  delta(delta: Delta): void
  /** Masks a secret that the adapter made for this turn in everything the log takes from now on. */
  hide(secret: string): void
  /** The engine's gate for what the agent asks. */
  decide(request: PermissionRequest): Promise<PermissionDecision>
  /** Puts a question of the agent to a person. */
  ask(request: QuestionRequest): Promise<QuestionAnswer>
  /**
   * The session is known: resolves when that is durable, and only then may the prompt be handed over, so that
   * a turn that is cut can go on. `resumed`: the session of `sessionId` goes on; false: a new one.
   */
  sessionStarted(sessionId: string, resumed: boolean): Promise<void>
  /**
   * The agent takes inputs while it works, through this handler, until the turn returns. The handler resolves when
   * the input was handed over and rejects when it cannot be any more.
   */
  takeSteers(handler: (steer: Steer) => Promise<void>): void
  /**
   * Aborted when the turn must end: stop the agent, return `stopped`. With the reason `CUT` the turn will go on later:
   * the agent is ended where it is, without a word that its session would remember.
   */
  readonly signal: AbortSignal
}

/** Why `signal` was aborted: the turn goes on later. */
export const CUT = 'cut'

export type TurnOutcome =
  | {
      readonly kind: 'completed'
      readonly summary: string
      readonly usage: Usage
      readonly turnsUsed: number
      readonly sessionId: string | null
    }
  | { readonly kind: 'stopped'; readonly usage: Usage; readonly sessionId: string | null }
  | {
      readonly kind: 'failed'
      readonly failure: Failure
      readonly usage: Usage
      readonly sessionId: string | null
    }

export interface RunnerAdapter {
  readonly type: RunnerType
  readonly capabilities: RunnerCapabilities
  /** Folders under a home that the program keeps logins and state in: all it may write of an operator's home. */
  readonly homeFolders: readonly string[]
  /**
   * Files and folders under an operator's home that the program reads and must not change there: settings, hooks,
   * plugins. Those inside `homeFolders` included; what does not exist is left out.
   */
  readonly homeReadable: readonly string[]
  /** Names of the service's environment that this runner may need (keys, endpoints); nothing else passes. */
  readonly environment: readonly string[]
  /** Models it is sure to know; it may take others by their full names. */
  readonly models: readonly RunnerModel[]
  /** Files under an operator's home that a login leaves there. */
  readonly loginFiles: readonly string[]
  /** Of these tool rules the ones it cannot apply; absent in adapters without `toolAllow` and `toolDeny`. */
  unknownTools?(rules: readonly string[]): readonly string[]
  /** Looks at the program; at most 10 s, never throws. */
  probe(): Promise<RunnerProbe>
  /**
   * Brings the program up as for a turn, has it answer once, and ends it; no model is asked.
   * @returns what is in the way, as one sentence; null: nothing. Never throws.
   */
  tryStart(trial: StartTrial): Promise<string | null>
  /**
   * Runs one turn to its end. Returns when the program and all it started are gone; throws only on a bug.
   */
  runTurn(request: TurnRequest): Promise<TurnOutcome>
}
