/**
 * A scenario: what the scripted model answers, one step per model call of a conversation. The step is chosen
 * by how often the model has spoken already, so one server plays for any number of sessions at once.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const path = z.string().min(1)
const callId = z.string().min(1).max(64).optional()

/** Tool calls in our own words; dialect modules translate them into the calling CLI's tools. */
const toolCallSchema = z.discriminatedUnion('tool', [
  z.strictObject({ tool: z.literal('write'), id: callId, path, content: z.string() }),
  z.strictObject({ tool: z.literal('edit'), id: callId, path, old: z.string().min(1), new: z.string() }),
  z.strictObject({ tool: z.literal('read'), id: callId, path }),
  z.strictObject({ tool: z.literal('shell'), id: callId, command: z.string().min(1) }),
  z.strictObject({ tool: z.literal('search'), id: callId, pattern: z.string().min(1) }),
  z.strictObject({ tool: z.literal('glob'), id: callId, pattern: z.string().min(1) }),
  /** A tool of one CLI, passed on as it stands. */
  z.strictObject({
    tool: z.literal('raw'),
    id: callId,
    name: z.string().min(1),
    input: z.record(z.string(), z.unknown()),
  }),
])
export type ToolCall = z.infer<typeof toolCallSchema>

const usageSchema = z.strictObject({
  /** Tokens read, without the cached ones. */
  input: z.int().nonnegative().default(600),
  cache_read: z.int().nonnegative().default(0),
  /** Tokens written, without those of thinking. */
  output: z.int().nonnegative().default(15),
  thinking: z.int().nonnegative().default(0),
})
export type ScriptedUsage = z.infer<typeof usageSchema>

const errorSchema = z.strictObject({
  status: z.int().min(400).max(599),
  message: z.string().default('the script says no'),
  /** The provider's own word, such as `context_length_exceeded`. */
  code: z.string().optional(),
  /** Replaces the whole body. */
  body: z.unknown().optional(),
  retry_after: z.number().nonnegative().optional(),
  /** Further headers, such as those that say when a limit ends. */
  headers: z.record(z.string().regex(/^[a-z0-9-]+$/), z.string()).default({}),
})

const stepSchema = z
  .strictObject({
    thinking: z.string().min(1).optional(),
    text: z.string().min(1).optional(),
    tool_calls: z.array(toolCallSchema).min(1).max(32).optional(),
    error: errorSchema.optional(),
    /** Drop the connection half way through the answer. */
    cut: z.boolean().default(false),
    /** Never answer. */
    hang: z.boolean().default(false),
    /** Pause before each chunk. */
    delay_ms: z.int().min(0).max(60_000).default(0),
    chunk_chars: z.int().min(1).max(10_000).default(24),
    usage: usageSchema.prefault({}),
  })
  .refine(
    (step) =>
      [step.text, step.thinking, step.tool_calls, step.error].some((member) => member !== undefined) ||
      step.hang,
    'a step needs one of text, thinking, tool_calls, error or hang',
  )
export type Step = z.infer<typeof stepSchema>

export const scenarioSchema = z.strictObject({
  name: z.string().min(1),
  description: z.string().default(''),
  steps: z.array(stepSchema).min(1).max(1000),
  /** Said by every model call after the last step. */
  end: z.string().min(1).default('That is all the script says.'),
  title: z.string().min(1).default('Scripted session'),
  /** Replaces the title as the answer to requests that offer no tools: titles, summaries of a conversation. */
  without_tools: stepSchema.optional(),
})
export type Scenario = z.infer<typeof scenarioSchema>

/**
 * Reads and checks a scenario file.
 * @throws Error with one sentence per fault, naming file and member
 */
export function readScenario(file: string): Scenario {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(
      `scenario ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  return checkScenario(value, file)
}

/** @throws Error with one sentence per fault; `source` names the scenario in it */
export function checkScenario(value: unknown, source: string): Scenario {
  const result = scenarioSchema.safeParse(value)
  if (result.success) return result.data
  const faults = result.error.issues.map((issue) => `${issue.path.join('.') || 'scenario'}: ${issue.message}`)
  throw new Error(`scenario ${source} is not valid: ${faults.join('; ')}`)
}

/** The step for a conversation in which the model has spoken `spoken` times. */
export function stepAt(scenario: Scenario, spoken: number): Step {
  return scenario.steps[spoken] ?? stepSchema.parse({ text: scenario.end })
}

/** What a request without tools gets: CLIs ask so for a title of the session or a summary of it. */
export const stepWithoutTools = (scenario: Scenario): Step =>
  scenario.without_tools ?? stepSchema.parse({ text: scenario.title })
