/** The runner adapter for claude-code: one `claude -p` per turn, spoken to over its pipes. See README.md here. */
import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../../internal/errors.ts'
import type { LaunchedProcess } from '../../../internal/launcher/port.ts'
import { keepEnds } from '../../../internal/process/tail.ts'
import { failureOf } from '../../../internal/runner/failure.ts'
import {
  CUT,
  type Failure,
  type RunnerAdapter,
  type RunnerCapabilities,
  type RunnerModel,
  type TurnOutcome,
  type TurnRequest,
} from '../../../internal/runner/port.ts'
import { claudeArguments, claudeEnvironment, PROVIDER_ENVIRONMENT } from './argv.ts'
import { findClaude } from './find.ts'
import { type McpFile, mcpPrograms, writeMcpFile } from './mcp.ts'
import { toolSettings } from './permissions.ts'
import { probeClaude } from './probe.ts'
import { chooseSession, type Session } from './session.ts'
import { unknownTools } from './tool-names.ts'
import { tryStartClaude } from './try-start.ts'
import { runTurnOn } from './turn.ts'

const DEFAULT_MAX_RETRIES = 3
const DEFAULT_API_TIMEOUT_MS = 300_000
const STDERR_END = 2 * 1024
const STOP_GRACE_MS = 1_000
const FOLDER = '.claude'
/** Settings and trust; beside the folder, not in it. */
const STATE_FILE = '.claude.json'
const NO_USAGE = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheCreationTokens: 0,
  totalCostUsd: null,
} as const

/** What 2.1.x does and this adapter uses; `networkDeny` is false because the CLI itself calls its provider. */
const CAPABILITIES: RunnerCapabilities = {
  messages: true,
  toolEvents: true,
  costTracking: true,
  streaming: true,
  cancellation: true,
  thinking: true,
  interactions: true,
  questions: true,
  interrupt: true,
  continuation: true,
  fork: false,
  steer: true,
  queue: true,
  images: false,
  mcp: true,
  structuredOutput: false,
  maxTurns: true,
  toolAllow: true,
  toolDeny: true,
  networkDeny: false,
  resumeAnyDirectory: true,
  nativeSandbox: false,
  permissionModes: ['ask', 'auto', 'read_only', 'bypass'],
}

/**
 * The CLI acts on these at the operator's next use: hooks, plugins, instructions. It drops writes to a state file
 * it cannot write in silence (measured on 2.1.329); an empty one would be fatal, so none is made.
 */
const HOME_READABLE = [
  STATE_FILE,
  ...['settings.json', 'settings.local.json', 'CLAUDE.md', 'plugins', 'agents', 'commands', 'skills'].map(
    (name) => join(FOLDER, name),
  ),
]

/** The CLI's own words for the newest of a family; what they stand for is its matter, or the operator's (argv.ts). */
const MODELS: readonly RunnerModel[] = [
  { id: 'opus', description: 'the newest Opus that this claude-code knows' },
  { id: 'sonnet', description: 'the newest Sonnet that this claude-code knows' },
  { id: 'haiku', description: 'the newest Haiku that this claude-code knows' },
]

export interface ClaudeCodeAdapterOptions {
  /** The program's name or absolute path. */
  readonly command: string
  /** Colon list of folders to look for it. */
  readonly path: string
  /** The service's environment; only what argv.ts names is read. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Retries of one model call; default 3. */
  readonly maxRetries?: number
  /** How long one model call may be silent, in ms; default 300,000. */
  readonly apiTimeoutMs?: number
}

export function createClaudeCodeAdapter(options: ClaudeCodeAdapterOptions): RunnerAdapter {
  return {
    type: 'claude-code',
    capabilities: CAPABILITIES,
    homeFolders: [FOLDER],
    homeReadable: HOME_READABLE,
    environment: PROVIDER_ENVIRONMENT,
    models: MODELS,
    loginFiles: [join(FOLDER, '.credentials.json')],
    unknownTools,
    probe: () => probeClaude(options),
    tryStart: (trial) => tryStartClaude(options, trial),
    runTurn: (request) => runTurn(options, request),
  }
}

async function runTurn(options: ClaudeCodeAdapterOptions, request: TurnRequest): Promise<TurnOutcome> {
  const program = findClaude(options)
  if (program === null)
    return failed(request, failureOf('agent_error', `${options.command} is not installed`))
  for (const value of Object.values(request.mcpEnv)) request.hide(value)
  await makeHome(request.home)
  const session = await chooseSession(request.home, request.sessionId, request.openAtCut)
  const mcpFile =
    request.mcpServers.length === 0
      ? null
      : await writeMcpFile(join(request.home, FOLDER), request.mcpServers)
  try {
    if (request.signal.aborted)
      return { kind: 'stopped', usage: { ...NO_USAGE, totalCostUsd: 0 }, sessionId: request.sessionId }
    return await launchAndRun(options, request, { program, session, mcpFile })
  } finally {
    await mcpFile?.remove()
  }
}

async function launchAndRun(
  options: ClaudeCodeAdapterOptions,
  request: TurnRequest,
  prepared: {
    readonly program: { readonly file: string; readonly readable: readonly string[] }
    readonly session: Session
    readonly mcpFile: McpFile | null
  },
): Promise<TurnOutcome> {
  const { program, session, mcpFile } = prepared
  const { byRuleOnly, settings, tools } = toolSettings(request)
  const more = { session, settings, tools, mcpConfig: mcpFile?.path ?? null }
  const limits = {
    maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
    apiTimeoutMs: options.apiTimeoutMs ?? DEFAULT_API_TIMEOUT_MS,
  }
  let process: LaunchedProcess
  try {
    process = await request.launch({
      argv: claudeArguments(program.file, request, more),
      env: claudeEnvironment(options.environment, request, limits),
      readable: [...program.readable, ...mcpPrograms(request.mcpServers, request.root)],
    })
  } catch (error) {
    const message = `claude-code could not be started: ${messageOf(error)}`
    return failed(request, failureOf('sandbox_error', message))
  }
  const stderrEnds = keepEnds(process.stderr, STDERR_END)
  try {
    return await runTurnOn(process, request, { session, byRuleOnly, promptId: randomUUID(), stderrEnds })
  } finally {
    await process.stop(request.signal.reason === CUT ? 0 : STOP_GRACE_MS)
  }
}

/** What the CLI writes in its home must be there before a container binds it. */
async function makeHome(home: string): Promise<void> {
  await mkdir(join(home, FOLDER), { recursive: true, mode: 0o700 })
  try {
    await writeFile(join(home, STATE_FILE), '{}', { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

const failed = (request: TurnRequest, failure: Failure): TurnOutcome => ({
  kind: 'failed',
  failure,
  usage: NO_USAGE,
  sessionId: request.sessionId,
})
