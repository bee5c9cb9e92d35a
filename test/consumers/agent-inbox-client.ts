/** What agent-inbox sends and reads: hand-written JSON, answers passed on raw, the manifest read as protobuf. */
import { type Answer, call, type Json, until } from '../support/client.ts'
import { toolProtocol } from './wire/tools.ts'

export type Behavior = Json

/** The manifest as protobuf's JSON rules read it; members it does not know would be a fault. */
export async function discover(url: string): Promise<Json> {
  const { status, body } = await call(url, 'GET', '/api/v1/tools')
  if (status !== 200) throw new Error(`the manifest answers ${status}`)
  return toolProtocol.decode('ToolManifest', body, 'refuse')
}

/** Task and run for a chat; the path it works in need not be there. */
export async function spawnCodingAgent(
  url: string,
  args: { task: string; runnerType: string; workspacePath: string; timeoutMinutes: number; notes?: Json[] },
): Promise<{ success: true; run_id: string; task_id: string; status: string }> {
  const task = await call(url, 'POST', '/api/v1/tasks', {
    task: {
      title: 'Chat-initiated task',
      description: args.task,
      scope_path: 'agent-inbox/chat-tasks',
      project_root: args.workspacePath,
      ...(args.notes && { context_attachments: args.notes }),
    },
  })
  accepted(task)
  const run = await call(url, 'POST', '/api/v1/runs', {
    task_id: task.body['task'].id,
    inline_config: {
      runner_type: args.runnerType,
      timeout: `${args.timeoutMinutes * 60}s`,
      requires_approval: true,
    },
  })
  accepted(run)
  const { id, status } = run.body['run']
  return { success: true, run_id: id, task_id: task.body['task'].id, status }
}

function accepted({ status, body }: Answer): void {
  if (status !== 200 && status !== 201)
    throw new Error(`agent-manager returned ${status}: ${JSON.stringify(body)}`)
}

const ok = ({ status, body }: Answer): Json => {
  if (status !== 200) throw new Error(`agent-manager returned ${status}: ${JSON.stringify(body)}`)
  return body
}

export const checkAgentStatus = async (url: string, runId: string): Promise<Json> =>
  ok(await call(url, 'GET', `/api/v1/runs/${runId}`))

export const listActiveAgents = async (url: string): Promise<Json> =>
  ok(await call(url, 'GET', '/api/v1/runs?status=running'))

export const getAgentDiff = async (url: string, runId: string): Promise<Json> =>
  ok(await call(url, 'GET', `/api/v1/runs/${runId}/diff`))

/** No body, and no content type either. */
export const stopAgent = (url: string, runId: string): Promise<Answer> =>
  call(url, 'POST', `/api/v1/runs/${runId}/stop`)

export const approveAgentChanges = (url: string, runId: string): Promise<Answer> =>
  call(url, 'POST', `/api/v1/runs/${runId}/approve`)

/** Where a dotted path leads in an answer. */
export const at = (answer: Json, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
      answer,
    )

export interface Followed {
  readonly outcome: 'success' | 'failure'
  readonly status: string
  readonly result: unknown
  readonly error: unknown
  readonly progress: readonly { percent: unknown; message: unknown; phase: unknown }[]
}

/** Polls as the manifest says until a status says that it is over; what is in no list is a fault. */
export async function follow(url: string, runId: string, behavior: Behavior): Promise<Followed> {
  const { statusField, successValues, failureValues, pendingValues, errorField, resultField } =
    behavior['completionConditions']
  const { progressField, messageField, phaseField } = behavior['progressTracking']
  const progress: { percent: unknown; message: unknown; phase: unknown }[] = []
  const last = await until(
    `the end of run ${runId}`,
    async () => {
      const answer = await checkAgentStatus(url, runId)
      const status = String(at(answer, statusField))
      if (![...successValues, ...failureValues, ...pendingValues].includes(status))
        throw new Error(`the manifest does not know the status ${status}`)
      progress.push({
        percent: at(answer, progressField),
        message: at(answer, messageField),
        phase: at(answer, phaseField),
      })
      return { answer, status }
    },
    ({ status }) => !pendingValues.includes(status),
  )
  return {
    outcome: successValues.includes(last.status) ? 'success' : 'failure',
    status: last.status,
    result: at(last.answer, resultField),
    error: at(last.answer, errorField),
    progress,
  }
}

/** After its restart: what it makes of a call that was under way, by the members at the top of the answer. */
export async function reconcile(url: string, runId: string): Promise<{ outcome: string; error: unknown }> {
  const { status, error } = await checkAgentStatus(url, runId)
  const outcomes: Record<string, string> = {
    running: 'goes on',
    pending: 'goes on',
    completed: 'completed',
    success: 'completed',
    failed: 'failed',
    error: 'failed',
    cancelled: 'cancelled',
    stopped: 'cancelled',
  }
  return { outcome: outcomes[status] ?? 'lost: marked cancelled', error }
}
