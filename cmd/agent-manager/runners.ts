/** The runners of this build: two adapters so far; the third is listed and says that it is missing. */
import { createClaudeCodeAdapter } from '../../adapters/runners/claude-code/index.ts'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import type { ApiDeps } from '../../api/deps.ts'
import type { Config } from '../../internal/config.ts'
import { agentPath } from '../../internal/engine/agent-environment.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import type { RunnerCapabilities } from '../../internal/runner/port.ts'
import { type MissingRunner, RunnerRegistry } from '../../internal/runner/registry.ts'
import { RunnerChecker } from '../../internal/runner/runner-check.ts'
import type { Parts } from './parts.ts'

const NONE: RunnerCapabilities = {
  messages: false,
  toolEvents: false,
  costTracking: false,
  streaming: false,
  cancellation: false,
  thinking: false,
  interactions: false,
  questions: false,
  interrupt: false,
  continuation: false,
  fork: false,
  steer: false,
  queue: false,
  images: false,
  mcp: false,
  structuredOutput: false,
  maxTurns: false,
  toolAllow: false,
  toolDeny: false,
  networkDeny: false,
  resumeAnyDirectory: false,
  nativeSandbox: false,
  permissionModes: [],
}

const MISSING: readonly MissingRunner[] = [
  {
    type: 'codex',
    capabilities: NONE,
    message: 'not built yet in this version; use claude-code or opencode',
  },
]

/** What the HTTP boundary may ask about them. */
export function createRunnerUseCases(parts: Parts, registry: RunnerRegistry): ApiDeps['runners'] {
  const { config, environment, launcher } = parts
  const checker = new RunnerChecker({
    registry,
    launcher,
    path: agentPath(environment['PATH']),
    operatorHome: environment['HOME'] ?? null,
    dataDir: config.dataDir,
  })
  return { list: () => registry.list(), types: registry.types, check: (type) => checker.check(type) }
}

export function createRunners(
  config: Config,
  launcher: Launcher,
  environment: Readonly<Record<string, string | undefined>>,
): RunnerRegistry {
  const found = { path: environment['PATH'] ?? '', environment }
  const { RUNNERS_CLAUDE_CODE_PATH, RUNNERS_OPENCODE_PATH } = config.levers
  const claude = createClaudeCodeAdapter({ ...found, command: RUNNERS_CLAUDE_CODE_PATH })
  const opencode = createOpencodeAdapter({ ...found, command: RUNNERS_OPENCODE_PATH })
  return new RunnerRegistry({
    adapters: [claude, opencode],
    missing: MISSING,
    containment: launcher.containment,
    environment,
  })
}
