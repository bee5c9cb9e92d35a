/** The runner adapter for opencode: one `opencode serve` per turn. See README.md in this folder. */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../../internal/errors.ts'
import { pickEnvironment } from '../../../internal/process/child-env.ts'
import { failureOf } from '../../../internal/runner/failure.ts'
import type {
  Failure,
  RunnerAdapter,
  RunnerCapabilities,
  StartTrial,
  TurnOutcome,
  TurnRequest,
} from '../../../internal/runner/port.ts'
import { findOpencode } from './find.ts'
import { probeOpencode } from './probe.ts'
import { startServer } from './server.ts'
import { mergeSettings, modelsInContent, namesInContent, WELL_KNOWN_KEYS } from './settings.ts'
import { unknownTools } from './tool-names.ts'
import { runTurnOn } from './turn.ts'

const CONFIG = 'OPENCODE_CONFIG_CONTENT'
const DEFAULT_MAX_RETRIES = 5
/** After an abort opencode may not react to SIGTERM at all; its database takes a SIGKILL well. */
const STOP_GRACE_MS = 1_000
const NO_USAGE = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheCreationTokens: 0,
  totalCostUsd: null,
} as const

/** What 1.18.x does; `networkDeny` is false because we speak to it over the loopback it would lose. */
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
  steer: false,
  queue: false,
  images: false,
  mcp: false,
  structuredOutput: false,
  maxTurns: true,
  toolAllow: true,
  toolDeny: true,
  networkDeny: false,
  resumeAnyDirectory: false,
  nativeSandbox: false,
  permissionModes: ['ask', 'auto', 'read_only', 'bypass'],
}

export interface OpencodeAdapterOptions {
  /** The program's name or absolute path. */
  readonly command: string
  /** Colon list of folders to look for it. */
  readonly path: string
  /** The service's environment; only OPENCODE_CONFIG_CONTENT and the keys it needs are read. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Retries of one model call after which the turn is given up; default 5, opencode's own limit for 429. */
  readonly maxRetries?: number
}

export function createOpencodeAdapter(options: OpencodeAdapterOptions): RunnerAdapter {
  return {
    type: 'opencode',
    capabilities: CAPABILITIES,
    homeFolders: HOME_FOLDERS,
    homeReadable: HOME_READABLE,
    environment: [...new Set([CONFIG, ...namesInContent(options.environment[CONFIG]), ...WELL_KNOWN_KEYS])],
    models: modelsInContent(options.environment[CONFIG]),
    loginFiles: ['.local/share/opencode/auth.json'],
    unknownTools,
    probe: () => probeOpencode(options),
    tryStart: (trial) => tryStart(options, trial),
    runTurn: (request) => runTurn(options, request),
  }
}

async function runTurn(options: OpencodeAdapterOptions, request: TurnRequest): Promise<TurnOutcome> {
  const program = findOpencode(options)
  if (program === null)
    return failed(request, failureOf('agent_error', `${options.command} is not installed`))
  const settings = mergeSettings(request.env[CONFIG] ?? options.environment[CONFIG], request)
  if (!settings.ok)
    return failed(request, failureOf('agent_error', settings.message, { recovery: 'fix_input' }))
  const password = randomBytes(24).toString('base64url')
  request.hide(password)
  for (const folder of HOME_FOLDERS) await mkdir(join(request.home, folder), { recursive: true, mode: 0o700 })
  const env = {
    ...request.env,
    ...pickEnvironment(options.environment, settings.keyNames),
    ...xdgFolders(request.home),
    ...SWITCHES,
    HOME: request.home,
    OPENCODE_CONFIG_CONTENT: settings.content,
    OPENCODE_SERVER_PASSWORD: password,
  }
  const started = await start(program.file, password, request, (argv) =>
    request.launch({ argv, env, readable: program.readable }),
  )
  if (started.kind === 'stopped') return { kind: 'stopped', usage: NO_USAGE, sessionId: request.sessionId }
  if (started.kind === 'failed') return failed(request, started.failure)
  try {
    return await runTurnOn(started.server, request, {
      model: settings.model,
      maxRetries: options.maxRetries ?? DEFAULT_MAX_RETRIES,
    })
  } finally {
    await started.server.process.stop(STOP_GRACE_MS)
  }
}

/** Its server comes up and answers; with no provider it has nobody to ask. */
async function tryStart(options: OpencodeAdapterOptions, trial: StartTrial): Promise<string | null> {
  const program = findOpencode(options)
  if (program === null) return `${options.command} is not installed`
  for (const folder of HOME_FOLDERS) await mkdir(join(trial.home, folder), { recursive: true, mode: 0o700 })
  const password = randomBytes(24).toString('base64url')
  const env = {
    ...trial.env,
    ...xdgFolders(trial.home),
    ...SWITCHES,
    HOME: trial.home,
    OPENCODE_CONFIG_CONTENT: JSON.stringify({ enabled_providers: [], autoupdate: false, share: 'disabled' }),
    OPENCODE_SERVER_PASSWORD: password,
  }
  const request = {
    cwd: trial.cwd,
    startTimeoutMs: trial.timeoutMs,
    signal: AbortSignal.timeout(trial.timeoutMs),
  }
  const started = await start(program.file, password, request, (argv) =>
    trial.launch({ argv, env, readable: program.readable }),
  )
  if (started.kind !== 'started')
    return started.kind === 'failed' ? started.failure.message : 'opencode was not ready in time'
  await started.server.process.stop(STOP_GRACE_MS)
  return null
}

type Launch = Parameters<typeof startServer>[0]['launch']

async function start(
  file: string,
  password: string,
  request: Pick<TurnRequest, 'cwd' | 'startTimeoutMs' | 'signal'>,
  launch: Launch,
): ReturnType<typeof startServer> {
  try {
    return await startServer({
      file,
      directory: request.cwd,
      password,
      timeoutMs: request.startTimeoutMs,
      signal: request.signal,
      launch,
    })
  } catch (error) {
    return {
      kind: 'failed',
      failure: failureOf('sandbox_error', `opencode could not be started: ${messageOf(error)}`),
    }
  }
}

/** No talk to anybody but the provider, nothing from the project that changes how the agent runs. */
const SWITCHES = {
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  OPENCODE_DISABLE_SHARE: '1',
  OPENCODE_DISABLE_CLAUDE_CODE: '1',
  OPENCODE_DISABLE_PROJECT_CONFIG: '1',
  OPENCODE_PURE: '1',
} as const

/** opencode keeps its sessions here: with the same home a later turn goes on with the session. */
const xdgFolders = (home: string) => ({
  XDG_DATA_HOME: join(home, '.local/share'),
  XDG_CONFIG_HOME: join(home, '.config'),
  XDG_CACHE_HOME: join(home, '.cache'),
  XDG_STATE_HOME: join(home, '.local/state'),
})

/** What opencode loads at the operator's next use lies beside caches that it writes. */
const HOME_READABLE = [
  'opencode.json',
  'opencode.jsonc',
  'AGENTS.md',
  'plugin',
  'plugins',
  'agent',
  'command',
  'tool',
].map((name) => `.config/opencode/${name}`)

const HOME_FOLDERS = ['.local/share', '.config', '.cache', '.local/state'].map(
  (folder) => `${folder}/opencode`,
)

const failed = (request: TurnRequest, failure: Failure): TurnOutcome => ({
  kind: 'failed',
  failure,
  usage: NO_USAGE,
  sessionId: request.sessionId,
})
