/** Use cases of interactions: look at them, answer one. */
import { isDeepStrictEqual } from 'node:util'
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText, toStorable } from '../event/storable.ts'
import type { Interaction, InteractionAnswer } from './interaction.ts'
import {
  AlreadyClosed,
  closeInteraction,
  findInteraction,
  interactionEvent,
  listInteractions,
  noteRead,
  ONE_LESS_OPEN,
} from './interaction-store.ts'

export interface InteractionServiceDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  publish(events: readonly StoredEvent[]): void
  /** An interaction of this run was answered: whoever waits for it on this replica need not wait for its next look. */
  answered(runId: string): void
}

export class InteractionService {
  readonly #deps: InteractionServiceDeps

  constructor(deps: InteractionServiceDeps) {
    this.#deps = deps
  }

  /** All of a run, oldest first. Whoever asks counts as somebody who may answer. @throws NOT_FOUND_RUN */
  async list(runId: string): Promise<readonly Interaction[]> {
    await this.#look(runId)
    return listInteractions(this.#deps.db, runId, null)
  }

  /** The open ones. @throws NOT_FOUND_RUN */
  async pending(runId: string): Promise<readonly Interaction[]> {
    await this.#look(runId)
    return listInteractions(this.#deps.db, runId, 'pending')
  }

  /**
   * The same answer twice is one answer.
   * @throws NOT_FOUND_INTERACTION; VALIDATION_FIELD when it does not fit the kind; STATE_INTERACTION_CLOSED when it
   * was answered otherwise, ran out of time, or is not needed any more
   */
  async answer(runId: string, id: string, given: InteractionAnswer, actor: string): Promise<Interaction> {
    const before = await this.#find(runId, id)
    checkFits(before, given)
    const answer = this.#storable(given)
    if (before.status !== 'pending') return this.#again(before, answer)
    const events = await this.#write(before, answer, actor)
    const after = await this.#find(runId, id)
    if (events === null) return this.#again(after, answer)
    this.#deps.publish(events)
    this.#deps.answered(runId)
    return after
  }

  /** Null: somebody else was first. */
  async #write(
    interaction: Interaction,
    answer: InteractionAnswer,
    actor: string,
  ): Promise<StoredEvent[] | null> {
    const { runId, id } = interaction
    const event = interactionEvent(interaction, {
      status: 'answered',
      decision: answer.decision,
      decidedBy: actor,
      reason: answer.message ?? saidIn(answer),
    })
    try {
      return await this.#deps.db.transaction().execute(async (tx) => {
        const events = await append(tx, {
          runId,
          from: ['pending', 'starting', 'running'],
          fence: null,
          patch: ONE_LESS_OPEN,
          events: [toStorable(event, this.#deps.redactor)],
        })
        if (events) await closeInteraction(tx, id, { status: 'answered', answer, answeredBy: actor })
        return events
      })
    } catch (error) {
      if (error instanceof AlreadyClosed) return null
      throw error
    }
  }

  #again(interaction: Interaction, answer: InteractionAnswer): Interaction {
    // Through JSON, as the stored one went.
    const isSame = isDeepStrictEqual(interaction.answer, JSON.parse(JSON.stringify(answer)))
    if (interaction.status === 'answered' && isSame) return interaction
    throw new AppError(
      'STATE_INTERACTION_CLOSED',
      `Interaction ${interaction.id} is ${interaction.status}; an answer changes nothing any more.`,
    )
  }

  async #find(runId: string, id: string): Promise<Interaction> {
    const found = await findInteraction(this.#deps.db, runId, id)
    if (found) return found
    throw new AppError('NOT_FOUND_INTERACTION', `Run ${runId} has no interaction with id ${id}.`)
  }

  async #look(runId: string): Promise<void> {
    if (await noteRead(this.#deps.db, runId)) return
    throw new AppError('NOT_FOUND_RUN', `There is no run with id ${runId}.`)
  }

  #storable(answer: InteractionAnswer): InteractionAnswer {
    const text = (value: string) => storableText(value, this.#deps.redactor)
    return {
      ...answer,
      message: answer.message === null ? null : text(answer.message),
      // What the tool will be called with is not masked: the person wrote it to be used. Only what no text column
      // takes is replaced.
      input: JSON.parse(
        JSON.stringify(answer.input ?? null)
          .replaceAll('\\u0000', '\\ufffd')
          .toWellFormed(),
      ),
    }
  }
}

/** @throws VALIDATION_FIELD */
function checkFits(interaction: Interaction, answer: InteractionAnswer): void {
  if (interaction.kind === 'permission') {
    if (answer.answers !== null) throw unfit('answers', 'only a question takes answers; send decision')
    if (answer.decision === 'deny' && answer.input !== null)
      throw unfit('input', 'a denial takes no input; leave it out')
    if (answer.decision === 'allow' && answer.interrupt)
      throw unfit('interrupt', 'only a denial can end the turn; leave it out')
    return
  }
  if (answer.input !== null) throw unfit('input', 'a question takes answers, not input')
  if (answer.decision === 'allow' && answer.answers === null)
    throw unfit('answers', 'say an answer to each question: {"<question>": "<label or text>"}')
  const asked = new Set(interaction.questions.map(({ question }) => question))
  const stranger = Object.keys(answer.answers ?? {}).find((question) => !asked.has(question))
  if (stranger !== undefined)
    throw unfit('answers', `nobody asked ${JSON.stringify(stranger.slice(0, 200))}; questions are the keys`)
}

const unfit = (field: string, message: string): AppError =>
  new AppError('VALIDATION_FIELD', `${field}: ${message}.`, {
    faults: [{ field, rule: 'kind', message }],
  })

/** The answers to a question as text, so that the log alone tells what was said. */
const saidIn = ({ answers }: InteractionAnswer): string | null =>
  answers &&
  Object.entries(answers)
    .map(([question, answer]) => `${question}: ${answer}`)
    .join('\n')
