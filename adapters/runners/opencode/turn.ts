/** Drives one turn over a started server: prompt in, events out, until the session is idle again. */
import { messageOf } from '../../../internal/errors.ts'
import type { ExitStatus } from '../../../internal/launcher/port.ts'
import { settlesWithin } from '../../../internal/process/deadline.ts'
import { createInterrupt, type Interrupt } from '../../../internal/process/interrupt.ts'
import { failureOf, tooManyCalls } from '../../../internal/runner/failure.ts'
import { CUT, type Failure, type TurnOutcome, type TurnRequest } from '../../../internal/runner/port.ts'
import { answerPermission, answerQuestion } from './answer.ts'
import { type EventSource, openEventSource, type SourcedEvent } from './event-source.ts'
import { failureOfRetries } from './failure.ts'
import { createTurnView, log, mapEvent, type Signal, type TurnView, unfinishedTools } from './map-event.ts'
import type { OpencodeServer } from './server.ts'
import type { OpencodePermission } from './wire.ts'

/** How long the session may take to become idle after an abort. */
const ABORT_WAIT_MS = 3_000
/** A process that dies takes its event stream with it: the exit is told a moment later. */
const EXIT_WAIT_MS = 1_000

export interface TurnSettings {
  readonly model: { readonly providerID: string; readonly modelID: string }
  /** Retries of one model call after which the turn is given up. */
  readonly maxRetries: number
}

/** How the turn came to its end. */
type Ending =
  | { readonly kind: 'idle' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'crashed'; readonly status: ExitStatus }
  | { readonly kind: 'failed'; readonly failure: Failure }

interface Turn {
  readonly server: OpencodeServer
  readonly request: TurnRequest
  readonly settings: TurnSettings
  readonly view: TurnView
  readonly source: EventSource
  readonly interrupt: Interrupt<Ending>
  /** A read whose wait was cut short: the event it brings must not get lost. */
  reading: Promise<SourcedEvent | null> | null
  busy: boolean
  /** Aborted when the turn is over: what is still being decided is of no use then. */
  readonly withdrawn: AbortController
}

/** Runs the turn. The caller stops the server afterwards, whatever the outcome. */
export async function runTurnOn(
  server: OpencodeServer,
  request: TurnRequest,
  settings: TurnSettings,
): Promise<TurnOutcome> {
  const interrupt = createInterrupt<Ending>()
  const onAbort = (): void => interrupt.raise({ kind: 'stopped' })
  request.signal.addEventListener('abort', onAbort, { once: true })
  if (request.signal.aborted) onAbort()
  void server.process.exited.then((status) => interrupt.raise({ kind: 'crashed', status }))
  const opened = await guarded(server, interrupt.wait(open(server, request)))
  if ('ending' in opened) return outcomeOf(opened.ending, createTurnView('', 0), server)
  const { view, source } = opened.value
  const turn: Turn = {
    server,
    request,
    settings,
    view,
    source,
    interrupt,
    reading: null,
    busy: false,
    withdrawn: new AbortController(),
  }
  try {
    const ending = await runToEnd(turn)
    const isCut = request.signal.reason === CUT
    if (!isCut && (ending.kind === 'stopped' || ending.kind === 'failed')) await endSession(turn)
    for (const event of unfinishedTools(view)) await request.emit(event)
    return outcomeOf(ending, view, server)
  } finally {
    turn.withdrawn.abort()
    request.signal.removeEventListener('abort', onAbort)
    await source.close()
  }
}

async function open(
  server: OpencodeServer,
  request: TurnRequest,
): Promise<{ view: TurnView; source: EventSource }> {
  const sessionId = await openSession(server, request)
  // opencode's clock is ours; its timestamps are whole milliseconds.
  const view = createTurnView(sessionId, Date.now() - 1)
  return { view, source: await openEventSource(server.client, sessionId) }
}

async function openSession({ client }: OpencodeServer, request: TurnRequest): Promise<string> {
  if (request.sessionId !== null) {
    if (await client.hasSession(request.sessionId)) return request.sessionId
    await request.emit({
      payload: log('warn', `opencode does not know the session ${request.sessionId}; a new one was begun`),
      synthetic: true,
    })
  }
  // A title given here spares the model call that would make one up.
  return client.createSession('agent-manager')
}

/** An error of a call to opencode as an ending: it crashed, or it does not do what it should. */
async function guarded<T>(
  server: OpencodeServer,
  work: Promise<{ readonly value: T } | { readonly ending: Ending }>,
): Promise<{ readonly value: T } | { readonly ending: Ending }> {
  try {
    return await work
  } catch (error) {
    if (await settlesWithin(server.process.exited, EXIT_WAIT_MS))
      return { ending: { kind: 'crashed', status: await server.process.exited } }
    return { ending: { kind: 'failed', failure: failureOf('agent_error', messageOf(error)) } }
  }
}

/** The prompt goes when it is durable to whom: a session that goes on after a cut is told so. */
async function prompt({ server, request, settings, view, withdrawn }: Turn): Promise<void> {
  const isResumed = view.sessionId === request.sessionId
  await request.sessionStarted(view.sessionId, isResumed)
  if (withdrawn.signal.aborted) return
  const text = isResumed ? (request.resumePrompt ?? request.prompt) : request.prompt
  await server.client.prompt(view.sessionId, text, settings.model)
}

async function runToEnd(turn: Turn): Promise<Ending> {
  const { server, request, interrupt } = turn
  const prompted = prompt(turn)
  const accepted = await guarded(server, interrupt.wait(prompted))
  if ('ending' in accepted) return accepted.ending
  const notBusy = setTimeout(() => {
    if (!turn.busy) interrupt.raise({ kind: 'failed', failure: notBegun(request.startTimeoutMs) })
  }, request.startTimeoutMs)
  try {
    for (;;) {
      const next = await guarded(server, readNext(turn, interrupt))
      if ('ending' in next) return next.ending
      const ending = next.value === null ? null : await step(turn, next.value)
      if (ending !== null) return ending
    }
  } finally {
    clearTimeout(notBusy)
  }
}

/** The next event, or the ending when that comes first. */
async function readNext<E>(
  turn: Turn,
  interrupt: Interrupt<E>,
): Promise<{ readonly value: SourcedEvent | null } | { readonly ending: E }> {
  turn.reading ??= turn.source.next()
  const result = await interrupt.wait(turn.reading)
  if ('value' in result) turn.reading = null
  return result
}

const notBegun = (ms: number): Failure =>
  failureOf('start_timeout', `opencode took the prompt but did not begin within ${ms} ms`)

async function step(turn: Turn, { event, raw }: SourcedEvent): Promise<Ending | null> {
  for (const signal of mapEvent(turn.view, event, raw, Date.now())) {
    const ending = await handle(turn, signal)
    if (ending !== null) return ending
  }
  const { maxTurns } = turn.request
  const { modelCalls, lastReason } = turn.view
  const wantsMore = modelCalls > maxTurns || (modelCalls === maxTurns && lastReason === 'tool-calls')
  if (!wantsMore) return null
  const message = tooManyCalls(maxTurns)
  return { kind: 'failed', failure: failureOf('agent_error', message) }
}

async function handle(turn: Turn, signal: Signal): Promise<Ending | null> {
  const { request, server, settings } = turn
  switch (signal.kind) {
    case 'event':
      await request.emit(signal.event)
      return null
    case 'delta':
      request.delta(signal.delta)
      return null
    case 'permission':
      answer(
        turn,
        answerPermission(
          server.client,
          request,
          signal.permission,
          toolOf(turn.view, signal.permission),
          turn.withdrawn.signal,
        ),
      )
      return null
    case 'question':
      answer(turn, answerQuestion(server.client, request, signal.question, turn.withdrawn.signal))
      return null
    case 'retry':
      if (signal.attempt <= settings.maxRetries) return null
      return { kind: 'failed', failure: failureOfRetries(settings.maxRetries, signal.message) }
    case 'busy':
      turn.busy = true
      return null
    case 'idle':
      return turn.busy ? { kind: 'idle' } : null
  }
}

/** The tool whose call needs a permission; null: not known. */
const toolOf = ({ toolOfCall }: TurnView, { tool }: OpencodePermission): string | null =>
  tool === undefined ? null : (toolOfCall.get(tool.callID) ?? null)

/** Answers run beside the loop: a person may take minutes, and other tools go on meanwhile. */
function answer(turn: Turn, work: Promise<void>): void {
  work.catch((error: unknown) => {
    const message = `an answer did not reach opencode: ${messageOf(error)}`
    turn.interrupt.raise({ kind: 'failed', failure: failureOf('agent_error', message) })
  })
}

/** Aborts the session and reads on until it is idle, so that the log has the end of what was running. */
async function endSession(turn: Turn): Promise<void> {
  turn.withdrawn.abort()
  const late = createInterrupt<'late'>()
  const timer = setTimeout(() => late.raise('late'), ABORT_WAIT_MS)
  void turn.server.process.exited.then(() => late.raise('late'))
  try {
    const aborted = await late.wait(turn.server.client.abort(turn.view.sessionId))
    if ('ending' in aborted) return
    for (;;) {
      const next = await readNext(turn, late)
      if ('ending' in next || next.value === null) return
      for (const signal of mapEvent(turn.view, next.value.event, next.value.raw, Date.now())) {
        if (signal.kind === 'idle') return
        if (signal.kind === 'event') await turn.request.emit(signal.event)
      }
    }
  } catch {
    // The server does not answer any more: it is about to be stopped with all it started.
  } finally {
    clearTimeout(timer)
  }
}

function outcomeOf(ending: Ending, view: TurnView, server: OpencodeServer): TurnOutcome {
  const base = { usage: view.usage, sessionId: view.sessionId === '' ? null : view.sessionId }
  switch (ending.kind) {
    case 'stopped':
      return { kind: 'stopped', ...base }
    case 'failed':
      return { kind: 'failed', failure: { ...ending.failure, stderrTail: server.stderrTail() }, ...base }
    case 'crashed':
      return { kind: 'failed', failure: crash(ending.status, server), ...base }
    case 'idle':
      if (view.failure !== null) return { kind: 'failed', failure: view.failure, ...base }
      if (view.lastText === '' && view.toolCalls === 0)
        return {
          kind: 'failed',
          failure: failureOf('nothing_happened', 'the agent said and did nothing'),
          ...base,
        }
      return { kind: 'completed', summary: view.lastText, turnsUsed: view.modelCalls, ...base }
  }
}

const crash = (status: ExitStatus, server: OpencodeServer): Failure =>
  failureOf('agent_crashed', 'opencode ended in the middle of the turn', {
    exitCode: status.code,
    signal: status.signal,
    stderrTail: server.stderrTail(),
  })
