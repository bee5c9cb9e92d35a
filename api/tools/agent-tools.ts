/**
 * The six tools that chats know this service by. They carry no addresses: the client calls the REST route that
 * belongs to each (spawn: tasks and runs; status, stop, diff, approve: below /runs/{id}). Every dotted path is one
 * of an answer of those routes; a test holds the paths to the answers' schemas.
 */
import type { RunnerType } from '../../internal/runner/port.ts'
import type { ToolCategory, ToolOut } from '../schemas/tool.ts'

type Metadata = ToolOut['metadata']
type Parameter = ToolOut['parameters']['properties'][string]
type Example = Metadata['examples'][number]

export const TOOL_CATEGORIES: readonly ToolCategory[] = [
  {
    id: 'agent_lifecycle',
    name: 'Start and stop',
    description: 'Start and stop coding agents',
    icon: 'play',
  },
  { id: 'agent_status', name: 'State', description: 'See what coding agents are doing', icon: 'info' },
  { id: 'agent_results', name: 'Results', description: 'See and take over what they did', icon: 'file-diff' },
]

/** @param runners those that a client may choose from */
export const agentTools = (runners: readonly RunnerType[]): readonly ToolOut[] => [
  spawnCodingAgent(runners),
  checkAgentStatus,
  stopAgent,
  listActiveAgents,
  getAgentDiff,
  approveAgentChanges,
]

const A_RUN = '550e8400-e29b-41d4-a716-446655440000'

const runId = (description: string): Parameter => ({ type: 'string', format: 'uuid', description })

const text = (value: string) => ({ stringValue: value })
const example = (description: string, fields: Example['input']['fields']): Example => ({
  description,
  input: { fields },
})

/** Quick, cheap, and harmless to repeat: what most of them are. */
const looking = (change: Partial<Metadata> & Pick<Metadata, 'tags' | 'examples'>): Metadata => ({
  enabledByDefault: true,
  requiresApproval: false,
  timeoutSeconds: 10,
  rateLimitPerMinute: 60,
  costEstimate: 'low',
  longRunning: false,
  idempotent: true,
  // Of the project, that is: the only one that does is to be approved.
  modifiesState: false,
  ...change,
})

/** Both spellings of each status: full names stand in the run, short ones in older clients' rules. */
const FOLLOWED: NonNullable<Metadata['asyncBehavior']> = {
  statusPolling: {
    statusTool: 'check_agent_status',
    operationIdField: 'run_id',
    statusToolIdParam: 'run_id',
    pollIntervalSeconds: 5,
    maxPollDurationSeconds: 3600,
  },
  completionConditions: {
    statusField: 'run.status',
    successValues: ['completed', 'needs_review', 'RUN_STATUS_COMPLETE', 'RUN_STATUS_NEEDS_REVIEW'],
    failureValues: [
      'failed',
      'cancelled',
      'stopped',
      'RUN_STATUS_FAILED',
      'RUN_STATUS_CANCELLED',
      'RUN_STATUS_STOPPED',
    ],
    pendingValues: [
      'pending',
      'starting',
      'running',
      'RUN_STATUS_PENDING',
      'RUN_STATUS_STARTING',
      'RUN_STATUS_RUNNING',
    ],
    errorField: 'run.error',
    resultField: 'run.summary',
  },
  progressTracking: {
    progressField: 'run.progress.percent',
    messageField: 'run.progress.currentAction',
    phaseField: 'run.phase',
  },
  cancellation: { cancelTool: 'stop_agent', cancelToolIdParam: 'run_id' },
}

const spawnCodingAgent = (runners: readonly RunnerType[]): ToolOut => ({
  name: 'spawn_coding_agent',
  description:
    'Start a coding agent on a software task: write or change code, fix a bug, add tests, refactor. It works in a sandbox by itself; its changes reach the project only when they are approved.',
  category: 'agent_lifecycle',
  parameters: {
    type: 'object',
    properties: {
      task: {
        type: 'string',
        description: 'What is to be done, as precisely as you would tell a colleague.',
      },
      runner_type: {
        type: 'string',
        description: 'The agent program. Leave it out unless somebody asked for one.',
        enum: [...runners],
        default: text(runners[0] ?? 'claude-code'),
      },
      workspace_path: {
        type: 'string',
        description: 'Absolute path of the project. Left out: the default project of the client.',
      },
      timeout_minutes: {
        type: 'integer',
        description: 'How long it may work, in minutes.',
        default: { intValue: '30' },
      },
      profile_key: { type: 'string', description: 'The key of a profile with the settings to use.' },
    },
    required: ['task'],
  },
  metadata: {
    ...looking({
      tags: ['coding', 'agent', 'async'],
      examples: [
        example('A bug', { task: text('Sessions end after 5 minutes; they must last 24 hours.') }),
        example('A feature that takes longer', {
          task: text('Add a dark mode switch to the settings page.'),
          timeout_minutes: { intValue: '45' },
        }),
      ],
    }),
    timeoutSeconds: 30,
    rateLimitPerMinute: 10,
    costEstimate: 'high',
    longRunning: true,
    idempotent: false,
    asyncBehavior: FOLLOWED,
  },
})

const checkAgentStatus: ToolOut = {
  name: 'check_agent_status',
  description: 'See how far the run of a coding agent is, what it waits for, and how it ended.',
  category: 'agent_status',
  parameters: {
    type: 'object',
    properties: { run_id: runId('The run, as it was told when the agent was started.') },
    required: ['run_id'],
  },
  metadata: looking({
    tags: ['status', 'monitoring'],
    examples: [example('One run', { run_id: text(A_RUN) })],
  }),
}

const stopAgent: ToolOut = {
  name: 'stop_agent',
  description: 'Stop a coding agent that takes too long or went the wrong way.',
  category: 'agent_lifecycle',
  parameters: { type: 'object', properties: { run_id: runId('The run to stop.') }, required: ['run_id'] },
  metadata: looking({
    timeoutSeconds: 30,
    rateLimitPerMinute: 30,
    tags: ['lifecycle', 'cancellation'],
    examples: [example('Stop it', { run_id: text(A_RUN) })],
  }),
}

const listActiveAgents: ToolOut = {
  name: 'list_active_agents',
  description: 'List the coding agents that are at work now.',
  category: 'agent_status',
  parameters: { type: 'object', properties: {}, required: [] },
  metadata: looking({ tags: ['status', 'monitoring', 'list'], examples: [example('All of them', {})] }),
}

const getAgentDiff: ToolOut = {
  name: 'get_agent_diff',
  description: 'See what a coding agent would change in the project, file by file.',
  category: 'agent_results',
  parameters: { type: 'object', properties: { run_id: runId('The run.') }, required: ['run_id'] },
  metadata: looking({
    timeoutSeconds: 30,
    rateLimitPerMinute: 30,
    tags: ['diff', 'results', 'code-review'],
    examples: [example('The changes of a run', { run_id: text(A_RUN) })],
  }),
}

const approveAgentChanges: ToolOut = {
  name: 'approve_agent_changes',
  description: 'Take the changes of a coding agent over into the project.',
  category: 'agent_results',
  parameters: {
    type: 'object',
    properties: {
      run_id: runId('The run whose changes are approved.'),
      files: {
        type: 'array',
        description: 'Only these files. Left out: all changes.',
        items: { type: 'string' },
      },
    },
    required: ['run_id'],
  },
  metadata: {
    ...looking({
      tags: ['approval', 'merge', 'filesystem'],
      examples: [
        example('Everything', { run_id: text(A_RUN) }),
        example('Two files', {
          run_id: text(A_RUN),
          files: { listValue: { values: [text('src/login.ts'), text('src/session.ts')] } },
        }),
      ],
    }),
    requiresApproval: true,
    timeoutSeconds: 60,
    rateLimitPerMinute: 10,
    idempotent: false,
    modifiesState: true,
  },
}
