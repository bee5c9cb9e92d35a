/** Interactions on the wire: what an agent waits for a person to say, and the answer. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import {
  INTERACTION_KINDS,
  INTERACTION_STATUSES,
  type Interaction,
  type InteractionAnswer,
  type InteractionKind,
} from '../../internal/interaction/interaction.ts'
import { flagIn, longTextIn, wordIn } from '../dialect/fields.ts'
import { MAX_ANSWERS, MAX_TEXT_BYTES } from '../limits.ts'
import { actorIn, idOut, repeatedId, time, timeOut } from './common.ts'

const DECISIONS = ['allow', 'deny'] as const
const SCOPES = ['once', 'session'] as const

const TEXT = {
  scope: 'once, or session: also whatever is asked like it in the rest of this run.',
  input: 'Allowed, but with this input for the tool instead of the one it asked with.',
  message: 'Told to the agent.',
  interrupt: 'Denied, and the turn ends.',
  answers: 'To a question: question text -> the label of an option, or free text.',
} as const

const MAX_LABEL = 4096
const ANSWER_FAULT = `must be a text, or a list of at most ${MAX_ANSWERS} texts`

const oneAnswerIn = z
  .union([z.string().max(MAX_TEXT_BYTES), z.array(z.string().max(MAX_LABEL)).max(MAX_ANSWERS)], {
    error: ANSWER_FAULT,
  })
  .transform((answer) => (typeof answer === 'string' ? answer : answer.join(', ')))

const answersIn = z
  .record(z.string().max(MAX_TEXT_BYTES), oneAnswerIn)
  .refine((answers) => Object.keys(answers).length <= MAX_ANSWERS, {
    params: { rule: 'max' },
    error: `must have at most ${MAX_ANSWERS} answers; send fewer`,
  })
  .nullish()
  .transform((answers) => (answers && Object.keys(answers).length > 0 ? answers : null))
  .meta({ description: `${TEXT.answers} Several labels as a list.` })

const toolInputIn = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((input) => input ?? null)
  .meta({ description: TEXT.input })

export const interactionParams = z.strictObject({
  id: z.string().meta({ description: 'The run. A UUID; anything else is a 404.' }),
  interaction_id: z.string().meta({ description: 'A UUID; anything else is a 404.' }),
})

export const answerBody = z.strictObject({
  run_id: repeatedId,
  actor: actorIn,
  decision: wordIn(
    DECISIONS,
    'allow or deny. May be left out for a question: allow with answers, deny without.',
  ),
  scope: wordIn(SCOPES, `${TEXT.scope} Default once.`),
  input: toolInputIn,
  message: longTextIn(MAX_TEXT_BYTES, TEXT.message),
  interrupt: flagIn(TEXT.interrupt),
  answers: answersIn,
})

type AnswerBody = z.output<typeof answerBody>

/**
 * Throws VALIDATION_FIELD where a permission is not decided.
 * @param kind asked only where the body does not decide
 */
export async function answerFrom(
  body: AnswerBody,
  kind: () => Promise<InteractionKind>,
): Promise<InteractionAnswer> {
  return {
    decision: body.decision ?? impliedDecision(await kind(), body),
    scope: body.scope ?? 'once',
    input: body.input,
    message: body.message || null,
    interrupt: body.interrupt ?? false,
    answers: body.answers,
  }
}

/** A permission is never given, nor refused, by leaving something out. */
function impliedDecision(kind: InteractionKind, { answers }: AnswerBody): InteractionAnswer['decision'] {
  if (kind === 'question') return answers === null ? 'deny' : 'allow'
  const message = 'is required for a permission; say allow or deny'
  throw new AppError('VALIDATION_FIELD', `decision: ${message}.`, {
    faults: [{ field: 'decision', rule: 'required', message }],
  })
}

const questionOut = z
  .strictObject({
    question: z.string(),
    header: z.string().nullable().meta({ description: 'A short title.' }),
    options: z.array(z.strictObject({ label: z.string(), description: z.string().nullable() })),
    multi_select: z.boolean().meta({ description: 'Whether several labels may be chosen.' }),
  })
  .meta({ id: 'Question', description: 'One question with what may be chosen; free text is an answer too.' })

const answerOut = z
  .strictObject({
    decision: z.enum(DECISIONS),
    scope: z.enum(SCOPES).meta({ description: TEXT.scope }),
    input: z.unknown().meta({ description: `${TEXT.input} null: as asked.` }),
    message: z.string().nullable().meta({ description: TEXT.message }),
    interrupt: z.boolean().meta({ description: TEXT.interrupt }),
    answers: z.record(z.string(), z.string()).nullable().meta({ description: TEXT.answers }),
  })
  .meta({ id: 'InteractionAnswer', description: 'What counts: what a person said, or the default.' })

const interactionOut = z
  .strictObject({
    id: idOut,
    run_id: idOut,
    turn: z.int(),
    kind: z.enum(INTERACTION_KINDS),
    status: z
      .enum(INTERACTION_STATUSES)
      .meta({ description: 'expired: the default was taken. withdrawn: nobody needs an answer any more.' }),
    tool_name: z.string().nullable().meta({ description: 'By our name where it has one.' }),
    detail: z.string().meta({ description: 'What it is about: a path, a command, an address.' }),
    input: z.unknown().meta({ description: 'What the tool would be called with.' }),
    questions: z.array(questionOut).meta({ description: 'Of a question.' }),
    suggestions: z
      .array(z.strictObject({ decision: z.enum(DECISIONS), scope: z.enum(SCOPES) }))
      .meta({ description: 'Answers a client may offer as buttons.' }),
    created_at: timeOut('When it was asked.'),
    deadline_at: timeOut('When the default is taken.'),
    answer: answerOut.nullable().meta({ description: 'null while pending or withdrawn.' }),
    answered_by: z.string().nullable().meta({ description: 'null: nobody.' }),
  })
  .meta({ id: 'Interaction', description: 'Something an agent waits for a person to say.' })

export const interactionView = (interaction: Interaction): z.output<typeof interactionOut> => ({
  id: interaction.id,
  run_id: interaction.runId,
  turn: interaction.turn,
  kind: interaction.kind,
  status: interaction.status,
  tool_name: interaction.toolName,
  detail: interaction.detail,
  input: interaction.input ?? null,
  questions: interaction.questions.map((question) => ({
    question: question.question,
    header: question.header,
    options: question.options.map(({ label, description }) => ({ label, description })),
    multi_select: question.multiSelect,
  })),
  suggestions: interaction.suggestions.map(({ decision, scope }) => ({ decision, scope })),
  created_at: time(interaction.createdAt),
  deadline_at: time(interaction.deadlineAt),
  answer: interaction.answer && answerView(interaction.answer),
  answered_by: interaction.answeredBy,
})

const answerView = (answer: InteractionAnswer): z.output<typeof answerOut> => ({
  decision: answer.decision,
  scope: answer.scope,
  input: answer.input ?? null,
  message: answer.message,
  interrupt: answer.interrupt,
  answers: answer.answers && { ...answer.answers },
})

export const interactionsAnswer = z.strictObject({ interactions: z.array(interactionOut) })
export const interactionAnswer = z.strictObject({ interaction: interactionOut })
