/** Answers what the agent asks: permissions go to the engine's gate, questions to a person. */
import type {
  PermissionDecision,
  Question,
  QuestionAnswer,
  TurnRequest,
} from '../../../internal/runner/port.ts'
import type { OpencodeClient } from './http.ts'
import { ourToolName, reachOf } from './tool-names.ts'
import type { OpencodePermission, OpencodeQuestion } from './wire.ts'

const MAX_DETAIL_LENGTH = 2_000

const NO_ANSWER = 'Nobody is here to answer. Decide by yourself, or say in your final answer what is open.'
const NO_LOOP = 'You made the same call several times. Try something else, or finish and say what is missing.'

type Asked = Pick<TurnRequest, 'decide' | 'ask'>

/**
 * Gets the decision and hands it to opencode. A refusal carries a message: without one opencode would end the
 * turn instead of telling the agent.
 * @param withdrawn aborted when the turn has ended meanwhile; then nothing is sent any more
 */
export async function answerPermission(
  client: Pick<OpencodeClient, 'replyPermission'>,
  request: Asked,
  permission: OpencodePermission,
  /** opencode's name of the tool that needs it; null: not known. */
  tool: string | null,
  withdrawn: AbortSignal,
): Promise<void> {
  const decision = await decide(request, permission, tool, withdrawn)
  if (withdrawn.aborted) return
  const message = decision.message || 'This is not permitted here.'
  await client.replyPermission(permission.id, replyOf(decision, message))
}

/** Without a message a refusal ends the turn, which is what an interrupting one is for. */
const replyOf = (decision: PermissionDecision, message: string) => {
  if (decision.allow) return { reply: 'once' } as const
  return decision.interrupt === true
    ? ({ reply: 'reject' } as const)
    : ({ reply: 'reject', message } as const)
}

function decide(
  request: Asked,
  permission: OpencodePermission,
  tool: string | null,
  withdrawn: AbortSignal,
): Promise<PermissionDecision> {
  // Not a matter of rights: the agent runs in circles, and everybody would say the same.
  if (permission.permission === 'doom_loop') return Promise.resolve({ allow: false, message: NO_LOOP })
  return request.decide({
    // One permission stands for several tools, or for a place; rules are about tools.
    toolName: ourToolName(tool ?? permission.permission),
    reach: reachOf(permission.permission),
    detail: detailOf(permission),
    input: { ...permission.metadata, patterns: permission.patterns },
    path: pathOf(permission),
    withdrawn,
  })
}

/** What is asked for, for a person: the path or command where there is one, else the patterns. */
function detailOf(permission: OpencodePermission): string {
  const { metadata, patterns } = permission
  const named = [metadata['filepath'], metadata['command'], metadata['url']].find(
    (value) => typeof value === 'string',
  )
  return String(named ?? patterns.join(', ')).slice(0, MAX_DETAIL_LENGTH)
}

/** opencode names files in full where it names them at all. */
function pathOf({ metadata }: OpencodePermission): string | null {
  const path = metadata['filepath']
  return typeof path === 'string' && path.startsWith('/') ? path : null
}

/** Puts the questions to a person; where nobody answers, each of them is answered with that. */
export async function answerQuestion(
  client: Pick<OpencodeClient, 'replyQuestion'>,
  request: Asked,
  asked: OpencodeQuestion,
  withdrawn: AbortSignal,
): Promise<void> {
  const questions: Question[] = asked.questions.map((one) => ({
    question: one.question,
    header: one.header ?? null,
    options: one.options.map(({ label, description }) => ({ label, description: description ?? null })),
    multiSelect: one.multiple,
  }))
  const answer = await request.ask({ questions, input: { questions: asked.questions }, withdrawn })
  if (withdrawn.aborted) return
  await client.replyQuestion(
    asked.id,
    questions.map((one) => [answerTo(one, answer)]),
  )
}

function answerTo({ question }: Question, { answers, message }: QuestionAnswer): string {
  if (answers === null) return message === '' ? NO_ANSWER : `${message} ${NO_ANSWER}`
  return Object.hasOwn(answers, question) ? (answers[question] ?? NO_ANSWER) : NO_ANSWER
}
