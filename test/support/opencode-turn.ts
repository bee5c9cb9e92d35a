/** Runs turns of the real opencode, under the best launcher of this machine, against a scripted model. */
import process from 'node:process'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { installOpencode } from '../../adapters/runners/opencode/install.ts'
import type { ScriptedCall } from '../../cmd/scripted-model/server.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
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

export interface Stage {
  readonly program: string
  readonly launcher: Launcher
}

/** Installs opencode where it is missing; named here and not per test because it may take a while. */
export async function prepareStage(): Promise<Stage> {
  const program = await installOpencode({ env: npmEnvironment() })
  const launcher = await detectLauncher()
  process.stderr.write(`opencode: under containment "${launcher.containment}"\n`)
  return { program, launcher }
}

export interface Theatre extends Place {
  readonly calls: readonly ScriptedCall[]
  /** Runs one turn to its end. */
  play(more?: PlayOptions): Promise<Played>
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
export async function openTheatre(stage: Stage, scenario: string | Script, maxRetries = 1): Promise<Theatre> {
  const place = openPlace('opencode')
  const { url, calls } = await openModel(scenario)
  const adapter = createOpencodeAdapter({
    command: stage.program,
    path: PATH,
    environment: {
      OPENCODE_CONFIG_CONTENT: configFor(url),
      SCRIPTED_KEY: KEY,
      OPENAI_API_KEY: 'not-for-it',
    },
    maxRetries,
  })
  return {
    ...place,
    calls,
    play: (more = {}) => playTurn(adapter, stage.launcher, place, { model: 'scripted/one', ...more }),
  }
}
