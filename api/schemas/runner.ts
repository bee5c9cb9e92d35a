/** Runners on the wire. */
import { z } from 'zod'
import { PERMISSION_MODES, type RunnerCapabilities } from '../../internal/runner/port.ts'
import type { RunnerView } from '../../internal/runner/registry.ts'
import { protoEnumOut, protoName, RUNNER_TYPE } from '../dialect/enums.ts'

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
    supported_models: z.array(z.string()).meta({ description: 'Always empty: not built yet.' }),
    install_hint: z.null().meta({ description: 'Always null: see message.' }),
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
    supported_models: [],
    install_hint: null,
    capabilities: capabilitiesView(runner.capabilities),
  })),
})
