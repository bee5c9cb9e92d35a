/** Who plays the model: the provider whose key is in the environment, else a script on loopback. */
import { fileURLToPath } from 'node:url'
import { type Child, startChild } from './child.ts'

const MAIN = fileURLToPath(new URL('../scripted-model/main.ts', import.meta.url))
const SCENARIO = fileURLToPath(new URL('../scripted-model/scenarios/demo.json', import.meta.url))

/** Keys that opencode's providers take, and a model of each for when nobody names one. */
const PROVIDERS = [
  { key: 'ANTHROPIC_API_KEY', model: 'anthropic/claude-sonnet-4-5' },
  { key: 'OPENAI_API_KEY', model: 'openai/gpt-5.1' },
  { key: 'OPENROUTER_API_KEY', model: 'openrouter/anthropic/claude-sonnet-4.5' },
] as const

export interface DemoModel {
  /** For the demo's first line. */
  readonly sentence: string
  readonly model: string
  /** What the service's environment needs for it. */
  readonly env: Record<string, string>
  stop(): Promise<unknown>
}

export async function chooseModel(
  environment: Readonly<Record<string, string | undefined>>,
  wanted: string | undefined,
): Promise<DemoModel> {
  const provider = PROVIDERS.find(({ key }) => environment[key])
  if (!provider) return scriptedModel()
  const model = wanted ?? provider.model
  return {
    sentence: `A real model answers (${model}, key from ${provider.key}).`,
    model,
    env: { [provider.key]: environment[provider.key] ?? '' },
    stop: () => Promise.resolve(),
  }
}

async function scriptedModel(): Promise<DemoModel> {
  const script: Child = await startChild(MAIN, ['--scenario', SCENARIO], { npm_lifecycle_event: 'demo' })
  const models = {
    demo: {
      name: 'Scripted model',
      tool_call: true,
      reasoning: true,
      limit: { context: 200_000, output: 8000 },
    },
  }
  const options = { baseURL: `${script.url}/v1`, apiKey: 'no-key-needed' }
  const config = {
    provider: { scripted: { npm: '@ai-sdk/openai-compatible', name: 'Scripted', options, models } },
  }
  return {
    sentence:
      'No provider key in the environment: a scripted model on loopback answers, everything else is real.',
    model: 'scripted/demo',
    env: { OPENCODE_CONFIG_CONTENT: JSON.stringify(config) },
    stop: () => script.stop(),
  }
}
