/** The use cases of runs on a real database and the real stand-in of the sandbox service. */
import { createClaudeCodeAdapter } from '../../adapters/runners/claude-code/index.ts'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import type { AdmissionDeps } from '../../internal/run/admission.ts'
import { RunService } from '../../internal/run/run-service.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import type { TestDatabase } from './database.ts'
import type { SandboxServer } from './sandbox-server.ts'

export interface RunUseCases {
  readonly runs: RunService
  readonly tasks: TaskService
  readonly profiles: ProfileService
  readonly admission: AdmissionDeps
  /** How often a run became pending. */
  readonly woken: string[]
  /** Runs that the engine was told to stop. */
  readonly stopping: string[]
}

/**
 * @param change parts of what admission knows; the adapters are real and say of their program that it is there,
 * which is all that these use cases ask of it
 */
export function runUseCases(
  { db }: TestDatabase,
  server: SandboxServer,
  change: Partial<AdmissionDeps> = {},
): RunUseCases {
  const environment = change.environment ?? { ANTHROPIC_API_KEY: 'of-a-test', OPENAI_API_KEY: 'of-a-test' }
  const options = { command: 'none', path: '', environment }
  const probe = async () => ({ available: true, version: '9', versionSupported: true, message: 'ready' })
  const registry = new RunnerRegistry({
    adapters: [
      { ...createOpencodeAdapter(options), probe },
      { ...createClaudeCodeAdapter(options), probe },
    ],
    missing: [],
    containment: 'full',
    environment,
  })
  const admission: AdmissionDeps = {
    dataDir: '/nowhere/data',
    registry,
    sandbox: createSandboxClient({ baseUrl: () => server.url, token: () => server.token, owner: 'test' }),
    containment: 'full',
    allowInPlace: true,
    sandboxHidesGit: true,
    environment,
    ...change,
  }
  const tasks = new TaskService({ db, projectRoots: [] })
  const profiles = new ProfileService({ db })
  const woken: string[] = []
  const stopping: string[] = []
  const runs = new RunService({
    db,
    redactor: createRedactor(),
    tasks,
    profiles,
    admission,
    levers: { maxTurns: 100, timeoutMs: 1_800_000, requiresSandbox: true, requiresApproval: true },
    projectRoots: [],
    publish: () => {},
    wake: () => woken.push('wake'),
    stopping: (id) => stopping.push(id),
  })
  return { runs, tasks, profiles, admission, woken, stopping }
}
