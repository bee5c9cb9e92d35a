/** Runs turns of the real opencode, under the best launcher of this machine, against a scripted model. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { onTestFinished } from 'vitest'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { installOpencode } from '../../adapters/runners/opencode/install.ts'
import { readScenario } from '../../cmd/scripted-model/scenario.ts'
import { type ScriptedCall, startScriptedModel } from '../../cmd/scripted-model/server.ts'
import type { EventPayload, NewEvent } from '../../internal/event/event.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import type {
  Delta,
  PermissionDecision,
  PermissionRequest,
  TurnOutcome,
  TurnRequest,
} from '../../internal/runner/port.ts'
import { MARKER } from './marked-processes.ts'

const SCENARIOS = join(import.meta.dirname, '../../cmd/scripted-model/scenarios')
const PATH = process.env['PATH'] ?? '/usr/bin:/bin'
export const KEY = 'scripted-key'

export interface Stage {
  readonly program: string
  readonly launcher: Launcher
}

/** Installs opencode where it is missing; named here and not per test because it may take a while. */
export async function prepareStage(): Promise<Stage> {
  const names = Object.entries(process.env).filter(([name]) => /^npm_config_(registry|cache)$/i.test(name))
  const env = { PATH, HOME: process.env['HOME'] ?? tmpdir() }
  const program = await installOpencode({
    env: Object.fromEntries([...Object.entries(env), ...names.map(([name, value]) => [name, value ?? ''])]),
  })
  const launcher = await detectLauncher()
  process.stderr.write(`opencode: under containment "${launcher.containment}"\n`)
  return { program, launcher }
}

export interface Played {
  readonly outcome: TurnOutcome
  readonly events: readonly NewEvent[]
  readonly deltas: readonly Delta[]
  readonly asked: readonly PermissionRequest[]
}

export interface Theatre {
  readonly work: string
  readonly home: string
  readonly mark: string
  readonly calls: readonly ScriptedCall[]
  /** Runs one turn to its end. */
  play(more?: PlayOptions): Promise<Played>
}

export interface PlayOptions
  extends Partial<
    Pick<TurnRequest, 'permissionMode' | 'contained' | 'sessionId' | 'model' | 'maxTurns' | 'signal'>
  > {
  readonly onEvent?: (payload: EventPayload) => void
  readonly decide?: (request: PermissionRequest) => PermissionDecision
  readonly prompt?: string
}

/** The configuration that points opencode at a scripted model. */
export const configFor = (url: string): string =>
  JSON.stringify({
    provider: {
      scripted: {
        npm: '@ai-sdk/openai-compatible',
        name: 'Scripted',
        options: { baseURL: `${url}/v1`, apiKey: '{env:SCRIPTED_KEY}' },
        models: {
          one: {
            name: 'One',
            tool_call: true,
            reasoning: true,
            limit: { context: 200_000, output: 8_000 },
            cost: { input: 1, output: 10, cache_read: 0.1, cache_write: 0 },
          },
        },
      },
    },
  })

/** A working folder, a home and a scripted model for the length of one test. */
export async function openTheatre(stage: Stage, scenario: string, maxRetries = 1): Promise<Theatre> {
  const base = mkdtempSync(join(tmpdir(), 'opencode-test-'))
  const [work, home, tmp] = ['work', 'home', 'tmp'].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ]
  for (const folder of [work, home, tmp]) mkdirSync(folder)
  const calls: ScriptedCall[] = []
  const model = await startScriptedModel({
    scenario: readScenario(join(SCENARIOS, `${scenario}.json`)),
    onCall: (call) => calls.push(call),
  })
  onTestFinished(async () => {
    await model.close()
    rmSync(base, { recursive: true, force: true })
  })
  const adapter = createOpencodeAdapter({
    command: stage.program,
    path: PATH,
    environment: {
      OPENCODE_CONFIG_CONTENT: configFor(model.url),
      SCRIPTED_KEY: KEY,
      OPENAI_API_KEY: 'not-for-it',
    },
    maxRetries,
  })
  const mark = randomUUID()
  return {
    work,
    home,
    mark,
    calls,
    async play(more = {}) {
      const events: NewEvent[] = []
      const deltas: Delta[] = []
      const asked: PermissionRequest[] = []
      const outcome = await adapter.runTurn({
        prompt: more.prompt ?? 'Please do it.',
        cwd: work,
        home,
        model: more.model === undefined ? 'scripted/one' : more.model,
        permissionMode: more.permissionMode ?? 'auto',
        contained: more.contained ?? true,
        sessionId: more.sessionId ?? null,
        env: { PATH, TMPDIR: tmp, LANG: 'C.UTF-8', [MARKER]: mark },
        startTimeoutMs: 45_000,
        maxTurns: more.maxTurns ?? 20,
        signal: more.signal ?? new AbortController().signal,
        launch: (program) =>
          stage.launcher.launch({
            ...program,
            cwd: work,
            writable: [work, home, tmp],
            hidden: [join(base, 'nothing')],
            network: 'allow',
          }),
        emit: (event) => {
          events.push(event)
          more.onEvent?.(event.payload)
          return Promise.resolve()
        },
        hide: () => undefined,
        delta: (delta) => void deltas.push(delta),
        decide: (request) => {
          asked.push(request)
          return Promise.resolve(
            more.decide?.(request) ?? { allow: request.reach === 'inside', message: 'Stay inside.' },
          )
        },
      })
      return { outcome, events, deltas, asked }
    },
  }
}
