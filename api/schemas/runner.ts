/** Runners on the wire. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import {
  PERMISSION_MODES,
  RUNNER_TYPES,
  type RunnerCapabilities,
  type RunnerType,
} from '../../internal/runner/port.ts'
import type { RunnerView } from '../../internal/runner/registry.ts'
import type { RunnerCheck } from '../../internal/runner/runner-check.ts'
import { fromProto, protoEnumOut, protoName, RUNNER_TYPE } from '../dialect/enums.ts'

/** Our names of the capabilities that are yes or no. */
const FLAGS = [
  'messages',
  'tool_events',
  'cost_tracking',
  'streaming',
  'cancellation',
  'thinking',
  'interactions',
  'questions',
  'interrupt',
  'continuation',
  'fork',
  'steer',
  'queue',
  'images',
  'mcp',
  'structured_output',
  'max_turns',
  'tool_allow',
  'tool_deny',
  'network_deny',
] as const

const capabilitiesOut = z.strictObject({
  ...Object.fromEntries(FLAGS.map((flag) => [`supports_${flag}`, z.boolean()])),
  resume_any_directory: z.boolean().meta({ description: 'A session can be resumed in another folder.' }),
  native_sandbox: z.boolean().meta({ description: 'The CLI brings a sandbox of its own.' }),
  permission_modes: z.array(z.enum(PERMISSION_MODES)),
  max_turns: z.null().meta({ description: "Always null: there is no upper limit of the runner's own." }),
})

function capabilitiesView(can: RunnerCapabilities) {
  return {
    supports_messages: can.messages,
    supports_tool_events: can.toolEvents,
    supports_cost_tracking: can.costTracking,
    supports_streaming: can.streaming,
    supports_cancellation: can.cancellation,
    supports_thinking: can.thinking,
    supports_interactions: can.interactions,
    supports_questions: can.questions,
    supports_interrupt: can.interrupt,
    supports_continuation: can.continuation,
    supports_fork: can.fork,
    supports_steer: can.steer,
    supports_queue: can.queue,
    supports_images: can.images,
    supports_mcp: can.mcp,
    supports_structured_output: can.structuredOutput,
    supports_max_turns: can.maxTurns,
    supports_tool_allow: can.toolAllow,
    supports_tool_deny: can.toolDeny,
    supports_network_deny: can.networkDeny,
    resume_any_directory: can.resumeAnyDirectory,
    native_sandbox: can.nativeSandbox,
    permission_modes: [...can.permissionModes],
    max_turns: null,
  }
}

const runnerOut = z
  .strictObject({
    runner_type: protoEnumOut(RUNNER_TYPE, 'Which agent program.'),
    runner_name: z.null().meta({ description: 'Always null: only for agents of a generic kind.' }),
    available: z.boolean(),
    message: z.string().meta({ description: 'Where it is not available: what to do.' }),
    version: z.string().nullable(),
    version_supported: z.boolean(),
    tier: z.enum(['native', 'acp']),
    containment: z.enum(['full', 'process', 'none']).meta({ description: 'How well this host contains it.' }),
    supported_models: z.array(z.string()).meta({
      description: 'Models it surely takes here; it may take others by their full names.',
    }),
    install_hint: z.string().nullable().meta({ description: 'Where it is not available: what to do.' }),
    capabilities: capabilitiesOut,
  })
  .meta({ id: 'Runner', description: 'An agent program and what it can do.' })

export const runnersAnswer = z.strictObject({ runners: z.array(runnerOut) })

export const runnersView = (runners: readonly RunnerView[]) => ({
  runners: runners.map((runner) => ({
    runner_type: protoName(RUNNER_TYPE, runner.type),
    runner_name: null,
    available: runner.available,
    message: runner.message,
    version: runner.version,
    version_supported: runner.versionSupported,
    tier: 'native',
    containment: runner.containment,
    supported_models: runner.models.map(({ id }) => id),
    install_hint: runner.available ? null : runner.message,
    capabilities: capabilitiesView(runner.capabilities),
  })),
})

export const probeParams = z.strictObject({
  runner_type: z.string().meta({
    description: 'The runner: `codex`, `RUNNER_TYPE_CODEX`, or its number in the original enum.',
  }),
})

/** Numbers of the original's enum, from 1. */
const NUMBERED: readonly RunnerType[] = ['claude-code', 'codex', 'opencode']

/** Throws VALIDATION_FIELD for what is no runner. */
export function runnerTypeFrom(text: string): RunnerType {
  const numbered = /^[1-9]$/.test(text) ? NUMBERED[Number(text) - 1] : undefined
  const named = numbered ?? fromProto(RUNNER_TYPE, text)
  const known = RUNNER_TYPES.find((type) => type === named)
  if (known !== undefined) return known
  const message = `must be one of ${RUNNER_TYPES.join(', ')}, a full name or a number from 1 to ${NUMBERED.length}`
  throw new AppError('VALIDATION_FIELD', `runner_type: ${message}.`, {
    faults: [{ field: 'runner_type', rule: 'enum', message }],
  })
}

export const probeAnswer = z.strictObject({
  result: z
    .strictObject({
      success: z.boolean(),
      latency_ms: z.int(),
      error: z.string().meta({ description: 'What was found, in one sentence; also where all is well.' }),
      details: z.record(z.string(), z.string()).meta({
        description:
          'response (what the program said), version, version_supported, containment, access (environment, login, none), start (ok, or why not).',
      }),
    })
    .meta({ id: 'ProbeResult', description: 'What a look at a runner found.' }),
})

export const probeView = (check: RunnerCheck): z.output<typeof probeAnswer> => ({
  result: {
    success: check.ok,
    latency_ms: check.latencyMs,
    error: check.message,
    details: { ...check.details },
  },
})

const modelsOfOut = z.strictObject({
  models: z.array(z.strictObject({ id: z.string(), description: z.string() })),
  presets: z.record(z.string(), z.string()).meta({ description: 'Always empty: not built yet.' }),
})

/** camelCase and by short names, as the original has it. */
export const runnerModelsAnswer = z
  .strictObject({
    version: z.int(),
    fallbackRunnerTypes: z.array(z.string()).meta({ description: 'Always empty: not built yet.' }),
    runners: z
      .partialRecord(z.enum(RUNNER_TYPES), modelsOfOut)
      .meta({ description: 'By short name, as claude-code.' }),
  })
  .meta({ id: 'RunnerModels', description: 'The models that the runners of this service surely take.' })

export const runnerModelsView = (runners: readonly RunnerView[]): z.output<typeof runnerModelsAnswer> => ({
  version: 1,
  fallbackRunnerTypes: [],
  runners: Object.fromEntries(
    runners.map(({ type, models }) => [type, { models: models.map((one) => ({ ...one })), presets: {} }]),
  ),
})
