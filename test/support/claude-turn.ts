/** Runs turns of the real claude-code, under the best launcher of this machine, against a scripted model. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import {
  type ClaudeCodeAdapterOptions,
  createClaudeCodeAdapter,
} from '../../adapters/runners/claude-code/index.ts'
import { installClaude } from '../../adapters/runners/claude-code/install.ts'
import type { ScriptedCall } from '../../cmd/scripted-model/server.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import { marked } from './marked-processes.ts'
import {
  openModel,
  openPlace,
  PATH,
  type Place,
  type Played,
  type PlayOptions,
  playTurn,
  type Script,
} from './played-turn.ts'
import { npmEnvironment } from './service.ts'

export const KEY = 'scripted-key'
const MODEL = 'claude-opus-4-5'

export interface Stage {
  readonly program: string
  readonly launcher: Launcher
}

/** Installs claude-code where it is missing. */
export async function prepareStage(): Promise<Stage> {
  const program = await installClaude({ env: npmEnvironment() })
  const launcher = await detectLauncher()
  process.stderr.write(`claude-code: under containment "${launcher.containment}"\n`)
  return { program, launcher }
}

export interface Theatre extends Place {
  readonly calls: readonly ScriptedCall[]
  /** Runs one turn to its end. */
  play(more?: PlayOptions): Promise<Played>
}

type Settings = Partial<Pick<ClaudeCodeAdapterOptions, 'maxRetries' | 'apiTimeoutMs' | 'environment'>>

/** A working folder, a home and a scripted model for the length of one test. */
export async function openTheatre(
  stage: Stage,
  scenario: string | Script,
  settings: Settings = {},
): Promise<Theatre> {
  const place = openPlace('claude')
  const { url, calls } = await openModel(scenario)
  const adapter = createClaudeCodeAdapter({
    command: stage.program,
    path: PATH,
    maxRetries: settings.maxRetries ?? 1,
    ...(settings.apiTimeoutMs === undefined ? {} : { apiTimeoutMs: settings.apiTimeoutMs }),
    environment: {
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: KEY,
      OPENAI_API_KEY: 'not-for-it',
      ...settings.environment,
    },
  })
  return {
    ...place,
    calls,
    play: (more = {}) => playTurn(adapter, stage.launcher, place, { model: MODEL, ...more }),
  }
}

/** SIGKILL to the CLI itself, by its number; what it started is left to whoever launched it. */
export function killCli(mark: string, program: string): void {
  const cli = marked(mark).find(({ pid }) => commandOf(pid).startsWith(`${program}\0-p`))
  if (cli === undefined) throw new Error('the CLI does not run')
  process.kill(cli.pid, 'SIGKILL')
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended meanwhile
  }
}
