/** What a turn is made of, and what each signal of the CLI does to it. */
import { messageOf } from '../../../internal/errors.ts'
import type { LaunchedProcess } from '../../../internal/launcher/port.ts'
import type { Interrupt } from '../../../internal/process/interrupt.ts'
import type { Line } from '../../../internal/process/line-splitter.ts'
import { failureOf, tooManyCalls } from '../../../internal/runner/failure.ts'
import type { Failure, TurnRequest } from '../../../internal/runner/port.ts'
import type { Answers } from './answer.ts'
import type { Channel } from './channel.ts'
import type { Session } from './session.ts'
import { settle } from './usage.ts'
import type { Signal, TurnView } from './view.ts'
import type { Result } from './wire.ts'

/** How a turn came to its end. */
export type Ending =
  /** Every message of ours has its result; this is the last one. */
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The CLI closed its output without one. */
  | { readonly kind: 'ended' }

export interface TurnSettings {
  readonly session: Session
  readonly byRuleOnly: ReadonlySet<string>
  /** Id of the prompt's message. */
  readonly promptId: string
  readonly stderrEnds: () => string | null
}

export interface Turn {
  readonly process: LaunchedProcess
  readonly request: TurnRequest
  readonly settings: TurnSettings
  readonly view: TurnView
  readonly channel: Channel
  readonly answers: Answers
  readonly lines: AsyncGenerator<Line, undefined>
  readonly interrupt: Interrupt<Ending>
  /** Our messages that no result accounts for yet. */
  readonly unanswered: Set<string>
  /** A read whose wait was cut short: the line it brings must not get lost. */
  reading: Promise<Line | null> | null
  lastResult: Result | null
  isOver: boolean
}

/** The next line, or the ending when that comes first; null: the CLI prints nothing more. */
export async function readNext<E>(
  turn: Turn,
  interrupt: Interrupt<E>,
): Promise<{ readonly value: Line | null } | { readonly ending: E }> {
  turn.reading ??= turn.lines.next().then(
    (item) => (item.done === true ? null : item.value),
    () => null, // the pipe broke: the CLI's exit tells the story
  )
  const result = await interrupt.wait(turn.reading)
  if ('value' in result) turn.reading = null
  return result
}

/** What a signal does to the turn; an ending where it is the last one that counts. */
export async function handle(turn: Turn, signal: Signal): Promise<Ending | null> {
  const { request, view, answers, channel } = turn
  switch (signal.kind) {
    case 'event':
      await request.emit(signal.event)
      return null
    case 'delta':
      request.delta(signal.delta)
      return null
    case 'asked':
      answers.answer(signal.asked).catch((error: unknown) => {
        const message = `an answer did not reach claude-code: ${messageOf(error)}`
        turn.interrupt.raise({ kind: 'failed', failure: failureOf('agent_error', message) })
      })
      return null
    case 'withdrawn':
      answers.withdraw(signal.requestId)
      return null
    case 'answered':
      channel.answered(signal.answer)
      return null
    case 'init':
      return lostServer(turn, signal.init.mcp_servers)
    case 'modelCall':
      return view.modelCalls > request.maxTurns ? tooMany(request.maxTurns) : null
    case 'input':
      // Results do not name what was cancelled.
      if (signal.state === 'cancelled' || signal.state === 'completed') turn.unanswered.delete(signal.id)
      return turn.unanswered.size === 0 && turn.lastResult !== null
        ? { kind: 'result', result: turn.lastResult }
        : null
    case 'result':
      return resulted(turn, signal.result)
  }
}

const tooMany = (maxTurns: number): Ending => ({
  kind: 'failed',
  failure: failureOf('agent_error', tooManyCalls(maxTurns)),
})

/** A later init of the turn may find a server gone that was there when the turn began. */
function lostServer(turn: Turn, present: readonly { name: string; status: string }[]): Ending | null {
  const lost = turn.request.mcpServers.find(
    ({ name }) => present.find((server) => server.name === name)?.status !== 'connected',
  )
  if (lost === undefined) return null
  const message = `the MCP server ${lost.name} is not connected`
  return { kind: 'failed', failure: failureOf('agent_error', message) }
}

/** Messages may share a result or have one each, so they are counted, not the results. */
async function resulted(turn: Turn, result: Result): Promise<Ending | null> {
  for (const payload of settle(turn.view.ledger, result)) await turn.request.emit({ payload })
  // A CLI that does not name them answers at least the oldest.
  for (const id of result.user_message_uuids ?? [...turn.unanswered].slice(0, 1)) turn.unanswered.delete(id)
  turn.lastResult = result
  if (turn.isOver || result.is_error || turn.unanswered.size === 0) return { kind: 'result', result }
  return null
}
