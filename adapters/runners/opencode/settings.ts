/** opencode's configuration for one turn: what the operator gave, with our settings on top. Pure. */
import { z } from 'zod'
import type { RunnerModel, TurnRequest } from '../../../internal/runner/port.ts'
import { type PermissionFacts, permissionsOf } from './permissions.ts'

const jsonObject = z.record(z.string(), z.unknown())
const providerConfig = z.looseObject({ model: z.string().optional(), small_model: z.string().optional() })

/** Where well-known providers expect their key when the configuration does not name one. */
const PROVIDER_KEYS: Readonly<Record<string, readonly string[]>> = {
  anthropic: ['ANTHROPIC_API_KEY'],
  openai: ['OPENAI_API_KEY'],
  google: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY'],
  openrouter: ['OPENROUTER_API_KEY'],
  groq: ['GROQ_API_KEY'],
  mistral: ['MISTRAL_API_KEY'],
  deepseek: ['DEEPSEEK_API_KEY'],
  xai: ['XAI_API_KEY'],
}

/** All names that some provider may want. */
export const WELL_KNOWN_KEYS: readonly string[] = Object.values(PROVIDER_KEYS).flat()

export type SettingsResult =
  | {
      readonly ok: true
      /** The value of OPENCODE_CONFIG_CONTENT. */
      readonly content: string
      readonly model: { readonly providerID: string; readonly modelID: string }
      /** Names of the variables with keys that this configuration needs. */
      readonly keyNames: readonly string[]
    }
  | { readonly ok: false; readonly message: string }

/**
 * Merges the operator's OPENCODE_CONFIG_CONTENT with what a turn demands. A model is required: without one
 * opencode would take one of its own service, and the project's text would go there.
 * @param given the variable as the service has it
 * @param turn `model` is the profile's `provider/model`
 */
export function mergeSettings(
  given: string | undefined,
  turn: Pick<TurnRequest, 'model'> & PermissionFacts,
): SettingsResult {
  const base = parseContent(given)
  if (base === null) return { ok: false, message: 'OPENCODE_CONFIG_CONTENT is not a JSON object' }
  const named = providerConfig.safeParse(base)
  const chosen = turn.model ?? (named.success ? named.data.model : undefined)
  if (chosen === undefined)
    return {
      ok: false,
      message: 'opencode needs a model: set `model` on the profile or in OPENCODE_CONFIG_CONTENT',
    }
  const slash = chosen.indexOf('/')
  if (slash < 1 || slash === chosen.length - 1)
    return { ok: false, message: `opencode wants its model as provider/model, not ${chosen}` }
  const [providerID, modelID] = [chosen.slice(0, slash), chosen.slice(slash + 1)]
  const small = (named.success ? named.data.small_model : undefined) ?? chosen
  const content = {
    ...base,
    model: chosen,
    small_model: small,
    autoupdate: false,
    share: 'disabled',
    // The small model's provider too: any other provider could be asked without anybody having said so.
    enabled_providers: [...new Set([providerID, small.slice(0, Math.max(0, small.indexOf('/')))])].filter(
      (name) => name !== '',
    ),
    permission: permissionsOf(turn),
  }
  const keyNames = [...namesInContent(given), ...(PROVIDER_KEYS[providerID] ?? [])]
  return {
    ok: true,
    content: JSON.stringify(content),
    model: { providerID, modelID },
    keyNames: [...new Set(keyNames)],
  }
}

/** The variables that a configuration refers to as `{env:NAME}`. */
export const namesInContent = (content: string | undefined): string[] => [
  ...new Set(
    [...(content ?? '').matchAll(/\{env:([A-Za-z_][A-Za-z0-9_]*)\}/g)].flatMap((match) => match[1] ?? []),
  ),
]

const modelsConfig = z.looseObject({
  model: z.string().optional(),
  provider: z
    .record(
      z.string(),
      z.looseObject({
        models: z.record(z.string(), z.looseObject({ name: z.string().optional() })).default({}),
      }),
    )
    .default({}),
})

/** The models that a configuration describes, and the one it names: what surely works here. */
export function modelsInContent(content: string | undefined): RunnerModel[] {
  const config = modelsConfig.safeParse(parseContent(content))
  if (!config.success) return []
  const { model, provider } = config.data
  const described = Object.entries(provider).flatMap(([name, { models }]) =>
    Object.entries(models).map(([id, one]) => ({ id: `${name}/${id}`, description: one.name ?? id })),
  )
  const isNew = model !== undefined && !described.some(({ id }) => id === model)
  return isNew ? [{ id: model, description: 'the default of this service' }, ...described] : described
}

function parseContent(given: string | undefined): Record<string, unknown> | null {
  if (given === undefined || given.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(given)
    const checked = jsonObject.safeParse(value)
    return checked.success ? checked.data : null
  } catch {
    return null // the caller says what is wrong with it
  }
}
