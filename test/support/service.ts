/** The real service as a process, on embedded defaults, with a scripted model behind a real CLI. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { installClaude } from '../../adapters/runners/claude-code/install.ts'
import { installOpencode } from '../../adapters/runners/opencode/install.ts'
import { checkScenario, readScenario } from '../../cmd/scripted-model/scenario.ts'
import { startScriptedModel } from '../../cmd/scripted-model/server.ts'

const MAIN = fileURLToPath(new URL('../../cmd/agent-manager/main.ts', import.meta.url))

export interface RunningService {
  readonly url: string
  readonly pid: number
  /** The first line it printed. */
  readonly line: Record<string, unknown>
  /** Everything it logged so far. */
  log(): string
  /** How it ended, whoever ended it. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: string | null }>
}

/** Starts it with exactly this environment. @throws with what it said when it does not listen */
export async function startService(env: Record<string, string>): Promise<RunningService> {
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const exited = once(child, 'exit')
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    exited.then(([code]) => {
      throw new Error(`the service ended with ${code}: ${log}`)
    }),
  ])
  const parsed: Record<string, unknown> = JSON.parse(line)
  const ended = exited.then(([code, signal]) => ({ code, signal }))
  return {
    url: String(parsed['url']),
    pid: Number(parsed['pid']),
    line: parsed,
    log: () => log,
    exited: ended,
    end: async (signal) => {
      endOnce(child, signal)
      return ended
    },
  }
}

function endOnce(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
}

/** Runs the service until it ends by itself: for starts that must fail. */
export async function runServiceToEnd(
  env: Record<string, string>,
): Promise<{ code: number | null; stderr: string; stdout: string }> {
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stderr, stdout] = ['', '']
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const [code] = await once(child, 'close')
  return { code, stderr, stdout }
}

export interface World {
  readonly base: string
  readonly dataDir: string
  /** The environment of a service that can run the agent against the scenario. */
  readonly env: Record<string, string>
  cleanUp(): Promise<void>
}

const scenarioFile = (name: string): string =>
  fileURLToPath(new URL(`../../cmd/scripted-model/scenarios/${name}.json`, import.meta.url))

/**
 * Folders and a scripted model for one test file; the scenario is one of ours by name, or the test's own (`base` is the folder). The CLI of
 * claude-code is only fetched where it is asked for.
 */
export async function makeWorld(
  scenario: string | object | ((base: string) => object),
  runner: 'opencode' | 'claude-code' = 'opencode',
): Promise<World> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'agent-manager-e2e-')))
  const script =
    typeof scenario === 'string'
      ? readScenario(scenarioFile(scenario))
      : checkScenario(typeof scenario === 'function' ? scenario(base) : scenario, 'of the test')
  const model = await startScriptedModel({ scenario: script, port: 0 })
  const agent = runner === 'opencode' ? await opencodeEnv(model.url) : await claudeEnv(model.url)
  const dataDir = join(base, 'data')
  return {
    base,
    dataDir,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: join(base, 'home'),
      LANG: 'C.UTF-8',
      PORT: '0',
      AGENT_MANAGER_DATA_DIR: dataDir,
      ...agent,
    },
    cleanUp: async () => {
      await model.close()
      await rm(base, { recursive: true, force: true })
    },
  }
}

async function claudeEnv(modelUrl: string): Promise<Record<string, string>> {
  return {
    AGENT_MANAGER_RUNNERS_CLAUDE_CODE_PATH: await installClaude({ env: npmEnvironment() }),
    ANTHROPIC_BASE_URL: modelUrl,
    ANTHROPIC_API_KEY: 'secret-model-key-1',
  }
}

async function opencodeEnv(modelUrl: string): Promise<Record<string, string>> {
  const models = {
    m: { name: 'Scripted', tool_call: true, reasoning: true, limit: { context: 200_000, output: 8000 } },
  }
  const options = { baseURL: `${modelUrl}/v1`, apiKey: 'secret-model-key-1' }
  const config = {
    model: 'scripted/m',
    provider: { scripted: { npm: '@ai-sdk/openai-compatible', name: 'S', options, models } },
  }
  return {
    AGENT_MANAGER_RUNNERS_OPENCODE_PATH: await installOpencode({ env: npmEnvironment() }),
    OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
  }
}

export function npmEnvironment(): Record<string, string> {
  const passed = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && /^(PATH|HOME|(https?|no)_proxy|NODE_EXTRA_CA_CERTS|npm_config_.*)$/i.test(name)
      ? [[name, value] as const]
      : [],
  )
  return Object.fromEntries(passed)
}
