/** Arguments and environment of the CLI. Pure. */
import { type Environment, pickEnvironment } from '../../../internal/process/child-env.ts'
import type { TurnRequest } from '../../../internal/runner/port.ts'
import type { Session } from './session.ts'

/** Keys, endpoints and the choice of a provider. */
export const PROVIDER_ENVIRONMENT = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'CLAUDE_CODE_OAUTH_TOKEN',
  'ANTHROPIC_BASE_URL',
  'ANTHROPIC_CUSTOM_HEADERS',
  'ANTHROPIC_MODEL',
  'ANTHROPIC_SMALL_FAST_MODEL',
  'ANTHROPIC_DEFAULT_OPUS_MODEL',
  'ANTHROPIC_DEFAULT_SONNET_MODEL',
  'ANTHROPIC_DEFAULT_HAIKU_MODEL',
  'CLAUDE_CODE_USE_BEDROCK',
  'AWS_REGION',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_BEARER_TOKEN_BEDROCK',
  'CLAUDE_CODE_USE_VERTEX',
  'CLOUD_ML_REGION',
  'ANTHROPIC_VERTEX_PROJECT_ID',
  'GOOGLE_APPLICATION_CREDENTIALS',
] as const

/** How the machine reaches the network; none of it says that there is a provider. */
const NETWORK_ENVIRONMENT = [
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'https_proxy',
  'http_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
] as const

/** Nobody but the provider is talked to, and nothing outlives the turn. */
export const SWITCHES = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
} as const

export interface Limits {
  /** Retries of one model call; the CLI's own default of 10 keeps a dead provider waiting for three minutes. */
  readonly maxRetries: number
  /** How long one model call may be silent, in ms. */
  readonly apiTimeoutMs: number
}

type Turn = Pick<TurnRequest, 'model' | 'maxTurns' | 'trustProject'>

/**
 * The argument list. The prompt is no part of it: it goes by stdin.
 * @param more.mcpConfig file with the MCP servers; null: none
 */
export function claudeArguments(
  file: string,
  turn: Turn,
  more: {
    readonly session: Session
    readonly tools: string | null
    readonly settings: string
    readonly mcpConfig: string | null
  },
): [string, ...string[]] {
  return [
    file,
    '-p',
    ...['--output-format', 'stream-json', '--input-format', 'stream-json'],
    ...['--verbose', '--include-partial-messages'],
    ...['--permission-prompt-tool', 'stdio', '--permission-mode', 'default'],
    // Hooks, settings and MCP servers that lie in the project run without a question under -p.
    ...(turn.trustProject
      ? ['--setting-sources', 'user,project,local']
      : ['--setting-sources', 'user', '--strict-mcp-config']),
    ...[more.session.isResumed ? '--resume' : '--session-id', more.session.id],
    ...(more.session.rewindTo === null ? [] : ['--resume-session-at', more.session.rewindTo]),
    ...['--max-turns', String(turn.maxTurns)],
    ...['--settings', more.settings],
    // Values of users are tied to their flag, whatever they begin with.
    ...(turn.model === null ? [] : [`--model=${turn.model}`]),
    ...(more.tools === null ? [] : [`--tools=${more.tools}`]),
    ...(more.mcpConfig === null ? [] : [`--mcp-config=${more.mcpConfig}`]),
  ]
}

/** @param service the service's environment, of which only named variables pass */
export function claudeEnvironment(
  service: Environment,
  turn: Pick<TurnRequest, 'env' | 'home' | 'mcpEnv' | 'mcpServers'>,
  limits: Limits,
): Record<string, string> {
  const temporary = turn.env['TMPDIR']
  return {
    ...pickEnvironment(service, [...PROVIDER_ENVIRONMENT, ...NETWORK_ENVIRONMENT]),
    ...turn.env,
    ...turn.mcpEnv,
    ...SWITCHES,
    CLAUDE_CODE_MAX_RETRIES: String(limits.maxRetries),
    API_TIMEOUT_MS: String(limits.apiTimeoutMs),
    HOME: turn.home,
    ...(temporary === undefined ? {} : { CLAUDE_CODE_TMPDIR: temporary }),
    // Their tools are there from the start instead of behind a search.
    ...(turn.mcpServers.length === 0 ? {} : { ENABLE_TOOL_SEARCH: 'false' }),
  }
}
