/** Drives one turn over a started CLI: prompt in, events out, until every message of ours has its result. */
import { messageOf } from '../../../internal/errors.ts'
import type { LaunchedProcess } from '../../../internal/launcher/port.ts'
import { createInterrupt } from '../../../internal/process/interrupt.ts'
import { failureOf } from '../../../internal/runner/failure.ts'
import type { Failure, TurnOutcome, TurnRequest } from '../../../internal/runner/port.ts'
import { createAnswers } from './answer.ts'
import { openChannel } from './channel.ts'
import { endProcess } from './ending.ts'
import { readLines } from './lines.ts'
import { mapLine } from './map-line.ts'
import { awaitMcpServers } from './mcp.ts'
import { outcomeOf } from './outcome.ts'
import { type Ending, handle, readNext, type Turn, type TurnSettings } from './steps.ts'
import { settleStreamed } from './usage.ts'
import { createTurnView, unfinishedTools } from './view.ts'

/** What one line may hold; the largest are results of tools, which the CLI itself cuts at a fraction of it. */
const MAX_LINE_LENGTH = 8 * 1024 * 1024
/** A CLI that dies breaks its pipe first: the exit is told a moment later. */
const EXIT_WAIT_MS = 1_000
/** How much of the time to start its MCP servers may take, so that the failure can name the one that is late. */
const MCP_SHARE = 0.8

/** Runs the turn. The caller stops the program afterwards, whatever the outcome. */
export async function runTurnOn(
  process: LaunchedProcess,
  request: TurnRequest,
  settings: TurnSettings,
): Promise<TurnOutcome> {
  const interrupt = createInterrupt<Ending>()
  const channel = openChannel(process.stdin)
  const turn: Turn = {
    process,
    request,
    settings,
    view: createTurnView(settings.session.isResumed),
    channel,
    answers: createAnswers(channel, request, settings.byRuleOnly),
    lines: readLines(process.stdout, MAX_LINE_LENGTH),
    interrupt,
    unanswered: new Set(),
    reading: null,
    lastResult: null,
    isOver: false,
  }
  const onAbort = (): void => interrupt.raise({ kind: 'stopped' })
  request.signal.addEventListener('abort', onAbort, { once: true })
  if (request.signal.aborted) onAbort()
  try {
    const ending = await runToEnd(turn)
    turn.isOver = true
    turn.answers.close()
    const status = await endProcess(turn, ending)
    for (const payload of settleStreamed(turn.view.ledger)) await request.emit({ payload, synthetic: true })
    for (const event of unfinishedTools(turn.view)) await request.emit(event)
    return outcomeOf(turn, ending, status)
  } finally {
    turn.isOver = true
    turn.answers.close()
    request.signal.removeEventListener('abort', onAbort)
  }
}

async function runToEnd(turn: Turn): Promise<Ending> {
  const { interrupt, request } = turn
  const late = setTimeout(() => {
    if (!turn.view.isReady) interrupt.raise({ kind: 'failed', failure: notBegun(request.startTimeoutMs) })
  }, request.startTimeoutMs)
  begin(turn).then(
    (failure) => {
      if (failure !== null) interrupt.raise({ kind: 'failed', failure })
    },
    (error: unknown) => {
      // A CLI that ended does not take the prompt either; that it ended says more.
      if (!turn.isOver)
        setTimeout(() => interrupt.raise({ kind: 'failed', failure: notTold(error) }), EXIT_WAIT_MS)
    },
  )
  try {
    for (;;) {
      const next = await readNext(turn, interrupt)
      if ('ending' in next) return next.ending
      if (next.value === null) return { kind: 'ended' }
      for (const signal of mapLine(turn.view, next.value.text, next.value.truncated, Date.now())) {
        const ending = await handle(turn, signal)
        if (ending !== null) return ending
      }
    }
  } finally {
    clearTimeout(late)
  }
}

const notBegun = (ms: number): Failure =>
  failureOf('start_timeout', `claude-code did not begin within ${ms} ms`)
const notTold = (error: unknown): Failure =>
  failureOf('agent_crashed', `claude-code did not take the prompt: ${messageOf(error)}`)

/** Hands the prompt over once everything it needs is there. @returns why it cannot be */
async function begin(turn: Turn): Promise<Failure | null> {
  const { request, channel, settings } = turn
  const { session } = settings
  if (request.mcpServers.length > 0) {
    const end = performance.now() + request.startTimeoutMs * MCP_SHARE
    const failure = await awaitMcpServers(channel, request.mcpServers, end)
    if (failure !== null) return failure
  }
  await request.sessionStarted(session.id, session.isResumed)
  if (turn.isOver) return null
  const prompt = session.isResumed ? (request.resumePrompt ?? request.prompt) : request.prompt
  await tell(turn, settings.promptId, prompt)
  request.takeSteers(async ({ id, text }) => {
    if (turn.isOver) throw new Error('the turn is over')
    await tell(turn, id, text)
  })
  return null
}

/** The text goes as it is: without `client_composed` the CLI would run /commands and read @files in it. */
async function tell(turn: Turn, id: string, text: string): Promise<void> {
  turn.unanswered.add(id)
  try {
    await turn.channel.send({
      type: 'user',
      uuid: id,
      message: { role: 'user', content: text },
      parent_tool_use_id: null,
      session_id: '',
      client_composed: true,
    })
  } catch (error) {
    turn.unanswered.delete(id)
    throw error
  }
}
