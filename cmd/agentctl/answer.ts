/** What an agent asks, put to the person at the terminal. */
import { type AnswerRequest, ApiError, type Interaction } from '../../api/client/index.ts'
import { select, text } from './ask.ts'
import type { Session } from './session.ts'
import { oneLine, safe } from './show/safe.ts'

/** Puts every open question of a run, oldest first. */
export async function answerPending(session: Session, runId: string): Promise<number> {
  const open = await session.client.interactions.pending(runId)
  for (const interaction of open) await answerOne(session, runId, interaction)
  return open.length
}

async function answerOne(
  { client, terminal, user }: Session,
  runId: string,
  asked: Interaction,
): Promise<void> {
  const answer = asked.kind === 'question' ? await toQuestions(asked) : await toPermission(asked)
  try {
    await client.interactions.answer(runId, asked.id, { ...answer, actor: user })
  } catch (error) {
    // Somebody was faster, or the time was up: the run went on without this answer.
    if (!(error instanceof ApiError) || error.code !== 'STATE_INTERACTION_CLOSED') throw error
    terminal.note('Too late: it was decided already.')
  }
}

async function toPermission(asked: Interaction): Promise<AnswerRequest> {
  const what = `${asked.tool_name ?? 'A tool'}: ${oneLine(asked.detail, 300)}`
  const choice = await select(what, [
    { value: 'once', label: 'Allow', hint: 'this time' },
    { value: 'session', label: 'Allow for the rest of this run', hint: 'whatever is asked like it' },
    { value: 'deny', label: 'Deny' },
  ])
  if (choice !== 'deny') return { decision: 'allow', scope: choice === 'session' ? 'session' : 'once' }
  const message = await text('What should the agent know?', { placeholder: 'nothing' })
  return { decision: 'deny', ...(message !== '' && { message }) }
}

const OTHER = '\u0000other'

async function toQuestions({ questions }: Interaction): Promise<AnswerRequest> {
  const answers: Record<string, string> = {}
  for (const { question, options, multi_select: several } of questions) {
    const label = safe(question) + (several ? ' (one of them, or your own words)' : '')
    const picked =
      options.length === 0
        ? OTHER
        : await select(label, [
            ...options.map((option) => ({
              value: option.label,
              label: safe(option.label),
              ...(option.description !== null && { hint: safe(option.description) }),
            })),
            { value: OTHER, label: 'Something else' },
          ])
    answers[question] = picked === OTHER ? await text(safe(question)) : picked
  }
  return { decision: 'allow', answers }
}
