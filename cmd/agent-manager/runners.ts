/** The runners of this build: one adapter so far; the others are listed and say when they come. */
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import type { Config } from '../../internal/config.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import type { RunnerCapabilities } from '../../internal/runner/port.ts'
import { type MissingRunner, RunnerRegistry } from '../../internal/runner/registry.ts'

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
  { type: 'claude-code', capabilities: NONE, message: 'not built yet in this version; use opencode' },
  { type: 'codex', capabilities: NONE, message: 'not built yet in this version; use opencode' },
]

export function createRunners(
  config: Config,
  launcher: Launcher,
  environment: Readonly<Record<string, string | undefined>>,
): RunnerRegistry {
  const opencode = createOpencodeAdapter({
    command: config.levers.RUNNERS_OPENCODE_PATH,
    path: environment['PATH'] ?? '',
    environment,
  })
  return new RunnerRegistry({
    adapters: [opencode],
    missing: MISSING,
    containment: launcher.containment,
    environment,
  })
}
