/**
 * Where what the agent asks of a person waits during a turn. Each question is a row before anybody is told of it,
 * so it survives us; it ends by an answer, by its deadline, or because the agent does not ask any more. What was
 * answered in an earlier attempt of the turn, or for the whole session, is not asked again.
 */
import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Tables } from '../db/tables.ts'
import { formatDuration } from '../duration.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableJson, storableText } from '../event/storable.ts'
import type { InteractionAnswer, InteractionKind } from '../interaction/interaction.ts'
import {
  AlreadyClosed,
  type ClosedInteraction,
  closedInteractions,
  closedOf,
  closeInteraction,
  insertInteraction,
  interactionEvent,
  ONE_LESS_OPEN,
  ONE_MORE_OPEN,
  wereReadSince,
} from '../interaction/interaction-store.ts'
import type { RunConfig } from '../run/run.ts'
import type { PermissionRequest, QuestionRequest } from '../runner/port.ts'
import type { Deadlines } from './deadlines.ts'
import type { RunWriter } from './run-writer.ts'

/** An agent that asks for more at once than anybody could answer gets the default. */
const MAX_OPEN = 100
const MAX_DETAIL = 2_000

export interface DeskDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  readonly writer: RunWriter
  readonly runId: string
  readonly turn: number
  readonly attempt: number
  readonly config: Pick<RunConfig, 'interactionTimeoutMs' | 'interactionDefault'>
  readonly deadlines: Pick<Deadlines, 'pause' | 'resume'>
  /** The turn's end: nothing is asked or closed any more; what is open stays for whoever goes on. */
  readonly signal: AbortSignal
  /** Whether a client watches the run just now. */
  isWatched(): boolean
  /** After this long a waiting agent is not worth its place; null: it cannot be resumed. */
  readonly parkAfterMs: number | null
  park(): void
}

interface Asked {
  readonly kind: InteractionKind
  readonly toolName: string | null
  readonly reach: 'inside' | 'outside' | null
  readonly detail: string
  readonly input: unknown
  readonly questions: QuestionRequest['questions']
  readonly withdrawn: AbortSignal
}

/** Null: the answer is of no use any more. */
type Answer = InteractionAnswer | null

export class InteractionDesk {
  readonly #deps: DeskDeps
  readonly #waits = new Map<string, (answer: Answer) => void>()
  readonly #grants = new Set<string>()
  /** Answers of earlier attempts of this turn, by digest, oldest first. */
  readonly #earlier = new Map<string, InteractionAnswer[]>()
  readonly #since: Date
  #unattended = false

  private constructor(deps: DeskDeps, since: Date, closed: readonly ClosedInteraction[]) {
    this.#deps = deps
    this.#since = since
    for (const each of closed) this.#remember(each)
  }

  /** @param since the database's time at the turn's start */
  static async open(deps: DeskDeps, since: Date): Promise<InteractionDesk> {
    return new InteractionDesk(
      deps,
      since,
      await deps.writer.read(() => closedInteractions(deps.db, deps.runId)),
    )
  }

  permission(request: PermissionRequest): Promise<Answer> {
    return this.#put({ ...request, kind: 'permission', questions: [] })
  }

  question(request: QuestionRequest): Promise<Answer> {
    const detail = request.questions.map(({ question }) => question).join('\n')
    return this.#put({ ...request, kind: 'question', toolName: null, reach: null, detail })
  }

  /** Whether something waits: then `look` is worth a query. */
  get isWaiting(): boolean {
    return this.#waits.size > 0
  }

  /** Rows may have been closed by somebody else. */
  async look(): Promise<void> {
    for (const closed of await closedOf(this.#deps.db, [...this.#waits.keys()])) {
      if (closed.status !== 'withdrawn' && closed.answer) this.#settle(closed.id, closed.answer)
      else this.#settle(closed.id, null)
    }
  }

  async #put(asked: Asked): Promise<Answer> {
    const digest = digestOf(asked)
    const known = this.#earlier.get(digest)?.shift() ?? this.#granted(asked, digest)
    if (known) return known
    if (asked.withdrawn.aborted || this.#deps.signal.aborted) return null
    if (this.#unattended || this.#waits.size >= MAX_OPEN) return this.#takeDefault(asked, digest)
    const id = uuid()
    const isOurs = await this.#deps.writer.change({
      from: ['running'],
      patch: ONE_MORE_OPEN,
      events: [interactionEvent({ ...asked, id }, { ...PENDING, reason: this.#detail(asked) })],
      also: (tx) => insertInteraction(tx, this.#row(id, asked, digest)),
    })
    if (!isOurs) return null
    const answer = await this.#wait(id, asked)
    if (answer?.decision === 'allow' && answer.scope === 'session') this.#grants.add(grantOf(asked, digest))
    return answer
  }

  async #wait(id: string, asked: Asked): Promise<Answer> {
    const { deadlines, config, signal, parkAfterMs } = this.#deps
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waits.set(id, resolve)
    deadlines.pause()
    const expiry = setTimeout(() => void this.#expire(id, asked).catch(reject), config.interactionTimeoutMs)
    const parking = parkAfterMs === null ? undefined : setTimeout(() => this.#deps.park(), parkAfterMs)
    const withdraw = () => void this.#withdraw(id, asked).catch(reject)
    const leave = () => resolve(null)
    asked.withdrawn.addEventListener('abort', withdraw, { once: true })
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    else if (asked.withdrawn.aborted) withdraw()
    try {
      return await promise
    } finally {
      clearTimeout(expiry)
      clearTimeout(parking)
      asked.withdrawn.removeEventListener('abort', withdraw)
      signal.removeEventListener('abort', leave)
      this.#waits.delete(id)
      deadlines.resume()
    }
  }

  async #expire(id: string, asked: Asked): Promise<void> {
    const { db, runId, signal } = this.#deps
    if (signal.aborted) return
    const answer = this.#default(asked)
    if (!(await this.#close(id, asked, { status: 'expired', answer }))) return this.look()
    const wereRead = await this.#deps.writer.read(() => wereReadSince(db, runId, this.#since))
    this.#unattended = !this.#deps.isWatched() && !wereRead
    this.#settle(id, answer)
  }

  async #withdraw(id: string, asked: Asked): Promise<void> {
    // At the end of a turn the agent takes everything back: what is open then is kept or closed by the run's end.
    if (this.#deps.signal.aborted) return
    await this.#close(id, asked, { status: 'withdrawn', answer: null })
    this.#settle(id, null)
  }

  /** @returns false: somebody else closed it */
  async #close(
    id: string,
    asked: Asked,
    how: { readonly status: 'expired' | 'withdrawn'; readonly answer: Answer },
  ): Promise<boolean> {
    const { status, answer } = how
    const told = {
      status,
      decision: answer?.decision ?? null,
      decidedBy: null,
      reason: answer?.message ?? null,
    }
    try {
      return await this.#deps.writer.change({
        from: ['running'],
        patch: ONE_LESS_OPEN,
        events: [interactionEvent({ ...asked, id }, told)],
        also: (tx) => closeInteraction(tx, id, { status, answer, answeredBy: null }),
      })
    } catch (error) {
      if (error instanceof AlreadyClosed) return false
      throw error
    }
  }

  /** Nobody looked when the last one ran out, so nobody is waited for: the row says what was taken instead. */
  async #takeDefault(asked: Asked, digest: string): Promise<Answer> {
    const id = uuid()
    const answer = this.#default(asked)
    const told = {
      status: 'expired',
      decision: answer.decision,
      decidedBy: null,
      reason: 'unattended',
    } as const
    await this.#deps.writer.change({
      from: ['running'],
      patch: {},
      events: [interactionEvent({ ...asked, id }, told)],
      also: async (tx) => {
        await insertInteraction(tx, { ...this.#row(id, asked, digest), timeoutMs: 0 })
        await closeInteraction(tx, id, { status: 'expired', answer, answeredBy: null })
      },
    })
    return answer
  }

  #default({ kind, toolName }: Asked): InteractionAnswer {
    const decision = kind === 'permission' ? this.#deps.config.interactionDefault : 'deny'
    const after = formatDuration(this.#deps.config.interactionTimeoutMs)
    const message =
      kind === 'question'
        ? 'Nobody is here to answer. Decide by yourself, or say in your final answer what is open.'
        : `Nobody allowed ${toolName ?? 'this'} within ${after}. Go on without it.`
    return {
      decision,
      scope: 'once',
      input: null,
      message: decision === 'deny' ? message : null,
      interrupt: false,
      answers: null,
    }
  }

  #row(id: string, asked: Asked, digest: string): Parameters<typeof insertInteraction>[1] {
    const { runId, turn, attempt, config, redactor } = this.#deps
    return {
      id,
      runId,
      turn,
      attempt,
      kind: asked.kind,
      toolName: asked.toolName === null ? null : storableText(asked.toolName, redactor),
      reach: asked.reach,
      detail: this.#detail(asked),
      input: storableJson(asked.input, redactor),
      questions: storableJson(asked.questions, redactor),
      digest,
      fallback: asked.kind === 'permission' ? config.interactionDefault : 'deny',
      timeoutMs: config.interactionTimeoutMs,
    }
  }

  #detail(asked: Asked): string {
    return storableText(asked.detail, this.#deps.redactor).slice(0, MAX_DETAIL).toWellFormed()
  }

  #settle(id: string, answer: Answer): void {
    this.#waits.get(id)?.(answer)
  }

  #remember(closed: ClosedInteraction): void {
    const { answer, digest } = closed
    if (!answer) return
    if (closed.status === 'answered' && answer.decision === 'allow' && answer.scope === 'session')
      this.#grants.add(grantOf(closed, digest))
    if (closed.turn !== this.#deps.turn || closed.attempt >= this.#deps.attempt) return
    this.#earlier.set(digest, [...(this.#earlier.get(digest) ?? []), answer])
  }

  #granted(asked: Asked, digest: string): Answer {
    if (asked.kind !== 'permission' || !this.#grants.has(grantOf(asked, digest))) return null
    return { decision: 'allow', scope: 'once', input: null, message: null, interrupt: false, answers: null }
  }
}

const PENDING = { status: 'pending', decision: null, decidedBy: null } as const

/** The same request, whoever asks it in whichever attempt. */
const digestOf = ({ kind, toolName, input }: Pick<Asked, 'kind' | 'toolName' | 'input'>): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, toolName, input]))
    .digest('hex')

/** What an answer for the session covers: a command as it is, any other tool as such, inside or outside. */
const grantOf = (asked: Pick<Asked, 'toolName' | 'reach'>, digest: string): string =>
  asked.toolName === 'shell' ? digest : `${asked.toolName} ${asked.reach}`
