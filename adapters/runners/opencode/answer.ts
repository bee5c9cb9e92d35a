/** Answers what the agent asks: permissions go to the engine's gate, questions are sent back. */
import { v5 } from 'uuid'
import type { PermissionDecision, TurnRequest } from '../../../internal/runner/port.ts'
import type { OpencodeClient } from './http.ts'
import { ourToolName, reachOf } from './tool-names.ts'
import type { OpencodePermission, OpencodeQuestion } from './wire.ts'

/** Ours: makes the ids of opencode's permissions and questions into UUIDs. */
const INTERACTION_NAMESPACE = 'f0c7a4c6-3a0b-4b8e-9d3c-6d2f5a1e7b90'
const MAX_DETAIL_LENGTH = 2_000

const NO_ANSWER = 'Nobody is here to answer. Decide by yourself, or say in your final answer what is open.'
const NO_LOOP = 'You made the same call several times. Try something else, or finish and say what is missing.'

type Asked = Pick<TurnRequest, 'decide' | 'emit'>

/**
 * Gets the decision and hands it to opencode. A refusal carries a message: without one opencode would end the
 * turn instead of telling the agent.
 * @param isOver whether the turn has ended meanwhile; then nothing is sent or told any more
 */
export async function answerPermission(
  client: Pick<OpencodeClient, 'replyPermission'>,
  request: Asked,
  permission: OpencodePermission,
  isOver: () => boolean,
): Promise<void> {
  const toolName = ourToolName(permission.permission)
  const decision = await decide(request, permission, toolName)
  if (isOver()) return
  await request.emit({
    payload: {
      interaction: {
        interaction_id: v5(permission.id, INTERACTION_NAMESPACE),
        kind: 'permission',
        status: 'answered',
        tool_name: toolName,
        decision: decision.allow ? 'allow' : 'deny',
        decided_by: null,
        reason: decision.message === '' ? null : decision.message,
      },
    },
  })
  await client.replyPermission(
    permission.id,
    decision.allow
      ? { reply: 'once' }
      : { reply: 'reject', message: decision.message || 'This is not permitted here.' },
  )
}

function decide(
  request: Asked,
  permission: OpencodePermission,
  toolName: string,
): Promise<PermissionDecision> {
  // Not a matter of rights: the agent runs in circles, and everybody would say the same.
  if (permission.permission === 'doom_loop') return Promise.resolve({ allow: false, message: NO_LOOP })
  return request.decide({ toolName, reach: reachOf(permission.permission), detail: detailOf(permission) })
}

/** What is asked for, for a person: the path or command where there is one, else the patterns. */
function detailOf(permission: OpencodePermission): string {
  const { metadata, patterns } = permission
  const named = [metadata['filepath'], metadata['command'], metadata['url']].find(
    (value) => typeof value === 'string',
  )
  return String(named ?? patterns.join(', ')).slice(0, MAX_DETAIL_LENGTH)
}

/** Tells the agent that nobody answers, as the answer to each of its questions. */
export async function answerQuestion(
  client: Pick<OpencodeClient, 'replyQuestion'>,
  request: Asked,
  question: OpencodeQuestion,
): Promise<void> {
  await request.emit({
    payload: {
      interaction: {
        interaction_id: v5(question.id, INTERACTION_NAMESPACE),
        kind: 'question',
        status: 'answered',
        tool_name: null,
        decision: 'no_answer',
        decided_by: null,
        reason: question.questions
          .map((one) => one.question)
          .join('\n')
          .slice(0, MAX_DETAIL_LENGTH),
      },
    },
  })
  await client.replyQuestion(
    question.id,
    question.questions.map(() => [NO_ANSWER]),
  )
}
