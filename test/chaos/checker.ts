/**
 * Decides, from what clients saw and what is left behind, whether every promise was kept. It knows nothing of the code
 * under test; a unit test plants each violation and sees it found.
 */
import { lineOf, type Script } from './scripted-agent.ts'

export interface SeenEvent {
  readonly sequence: number
  readonly id: string
}

export interface LogEvent extends SeenEvent {
  readonly attempt: number
  readonly turn: number
  readonly status?: {
    readonly old_status: string | null
    readonly new_status: string
    readonly reason: string | null
  }
  readonly message?: { readonly role: string; readonly content: string }
}

export interface RunHistory {
  readonly id: string
  readonly script: Script
  /** Of the run as it was shown last. */
  readonly status: string
  readonly approvalState: string
  readonly failureCode: string | null
  readonly events: readonly LogEvent[]
  /** What each connection of a client was shown, in its order. */
  readonly connections: readonly (readonly SeenEvent[])[]
  /** When agents of it lived: attempt and ns of a monotonic clock. */
  readonly trace: readonly { readonly attempt: number; readonly ns: bigint }[]
  /** The file of the script in the project; null: it is not there. */
  readonly landed: string | null
  /** The unified diff shown for review; null: none. */
  readonly diff: string | null
}

const FINAL = ['complete', 'failed', 'cancelled', 'needs_review']
/** Two looks of an agent's clock lie 50 ms apart; a kill takes a moment to be carried out. */
const OVERLAP_NS = 200_000_000n
const FAILURES: Readonly<Record<string, readonly string[]>> = {
  exit: ['agent_crashed', 'agent_error'],
  hang: ['idle_timeout', 'wall_timeout'],
}
/** What chaos itself may do to a run that is well behaved. */
const OF_CHAOS = ['attempts_exhausted']

/** Every violation in words; empty when all is well. */
export function checkRun(run: RunHistory): string[] {
  const found = [
    ...checkGapless(run),
    ...checkSeen(run),
    ...checkAttempts(run),
    ...checkStatus(run),
    ...checkLines(run),
    ...checkTrace(run),
    ...checkWork(run),
  ]
  return found.map((what) => `run ${run.id} (${run.script.nasty}): ${what}`)
}

const checkGapless = ({ events }: RunHistory): string[] =>
  events.flatMap(({ sequence }, index) =>
    sequence === index + 1 ? [] : [`sequence ${sequence} stands at place ${index + 1} of the log`],
  )

/** What a client was shown is in the log, at that place, once, in order and without a gap. */
function checkSeen({ events, connections }: RunHistory): string[] {
  const ids = new Map(events.map((event) => [event.sequence, event.id]))
  return connections.flatMap((seen) =>
    seen.flatMap((event, index) => {
      const before = seen[index - 1]
      if (ids.get(event.sequence) !== event.id)
        return [`event ${event.sequence} was shown to a client and is not in the log`]
      if (before !== undefined && event.sequence !== before.sequence + 1)
        return [`a client was shown ${event.sequence} after ${before.sequence}`]
      return []
    }),
  )
}

const checkAttempts = ({ events }: RunHistory): string[] =>
  events.flatMap((event, index) => {
    const before = events[index - 1]
    return before !== undefined && event.attempt < before.attempt
      ? [`event ${event.sequence} is of attempt ${event.attempt}, after one of ${before.attempt}`]
      : []
  })

function checkStatus({ events, status, approvalState }: RunHistory): string[] {
  const found: string[] = []
  const changes = events.flatMap((event) => (event.status ? [event.status] : []))
  let now: string | null = null
  for (const change of changes) {
    if (change.old_status !== now)
      found.push(`a status event goes from ${change.old_status}, but it was ${now}`)
    now = change.new_status
  }
  if (now !== status) found.push(`its status is ${status}, its log says ${now}`)
  if (!FINAL.includes(status)) found.push(`it did not end: ${status}`)
  const closing = changes.filter(({ new_status: to, reason }) => FINAL.includes(to) && !isDecision(reason))
  if (closing.length !== 1) found.push(`${closing.length} events close its turn`)
  if (approvalState === 'approved' && changes.filter(({ reason }) => reason === 'approved').length !== 1)
    found.push('not exactly one event says that it was approved')
  return found
}

const isDecision = (reason: string | null): boolean => reason === 'approved' || reason === 'rejected'

/** Each attempt says a stretch of the script without a hole; who goes on says nothing twice that was acknowledged. */
function checkLines({ events, script, status }: RunHistory): string[] {
  const found: string[] = []
  const byAttempt = new Map<number, number[]>()
  for (const { message, attempt } of events) {
    if (message?.role !== 'assistant' || message.content === `${script.name} end`) continue
    const index = Number(message.content.split(' ')[1])
    if (message.content !== lineOf(script.name, index))
      found.push(`it said ${JSON.stringify(message.content)}`)
    byAttempt.set(attempt, [...(byAttempt.get(attempt) ?? []), index])
  }
  for (const [attempt, said] of byAttempt)
    if (said.some((index, at) => index !== (said[0] ?? 0) + at))
      found.push(`attempt ${attempt} said ${said.join(' ')}`)
  const last = [...byAttempt.values()].at(-1)?.at(-1)
  // Of an agent that was cut, the last lines may have found nobody who read: they are in its work, as the diff shows.
  const isWhole = (status === 'needs_review' || status === 'complete') && events.at(-1)?.attempt === 1
  if (isWhole && last !== script.lines - 1)
    found.push(`it completed, and the last line it said is ${last} of ${script.lines}`)
  return found
}

function checkTrace({ trace }: RunHistory): string[] {
  const spans = new Map<number, { from: bigint; to: bigint }>()
  for (const { attempt, ns } of trace) {
    const span = spans.get(attempt)
    spans.set(attempt, { from: span?.from ?? ns, to: ns })
  }
  const ordered = [...spans].toSorted(([one], [other]) => one - other)
  return ordered.flatMap(([attempt, span], index) => {
    const before = ordered[index - 1]
    if (before === undefined || span.from + OVERLAP_NS >= before[1].to) return []
    return [
      `agents of attempts ${before[0]} and ${attempt} lived at once for ${(before[1].to - span.from) / 1_000_000n} ms`,
    ]
  })
}

/** The work is all of the script, once, in order; and it is in the project exactly when it was approved. */
function checkWork(run: RunHistory): string[] {
  const { script, status, approvalState, failureCode, landed, diff } = run
  const whole = Array.from({ length: script.lines }, (_, index) => lineOf(script.name, index))
  const found: string[] = []
  if (status === 'failed') {
    const wanted = [...(FAILURES[script.nasty] ?? []), ...OF_CHAOS]
    if (!wanted.includes(failureCode ?? '')) found.push(`it failed with ${failureCode}`)
  } else if (FAILURES[script.nasty] !== undefined) found.push(`it ended ${status}, and should have failed`)
  if (status === 'needs_review' || approvalState === 'approved') {
    const added = diff?.split('\n').flatMap((line) => (/^\+[^+]/.test(line) ? [line.slice(1)] : [])) ?? []
    if (added.join('\n') !== whole.join('\n'))
      found.push(`its diff holds ${added.length} lines of ${whole.length}, or in another order`)
  }
  if (approvalState === 'approved' && landed !== `${whole.join('\n')}\n`)
    found.push(
      landed === null ? 'it was approved and did not land' : 'it was approved and something else landed',
    )
  if (approvalState !== 'approved' && landed !== null)
    found.push('it was not approved, and it is in the project')
  return found
}
