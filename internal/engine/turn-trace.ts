/**
 * Where the time of one turn went, seen from the events it committed and the start of its agent: one line when it is
 * over, and the same as metrics. It watches; nothing depends on it.
 */
import { type EventPayloads, payloadOf, type StoredEvent } from '../event/event.ts'
import type { Launcher } from '../launcher/port.ts'
import type { Logger } from '../log.ts'
import { type Metrics, secondsSince } from '../metrics.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { RunnerType } from '../runner/port.ts'

/** In the order in which a turn passes them; each stage ends where its name is marked. */
const STAGES = ['sandbox', 'launch', 'first_event', 'agent', 'collect'] as const
type Stage = (typeof STAGES)[number]

export interface TraceDeps {
  readonly log: Logger
  readonly metrics: Metrics
}

export class TurnTrace {
  readonly #deps: TraceDeps
  readonly #row: Pick<ClaimedRow, 'turn' | 'attempt'>
  readonly #runner: RunnerType
  readonly #waitedMs: number
  readonly #claimedAt = performance.now()
  readonly #marks = new Map<Stage, number>()
  /** What its last status event said. Null: it ended without one of ours, so somebody else has the run. */
  #outcome: string | null = null

  /** @param waitedMs how long the run was pending */
  constructor(
    deps: TraceDeps,
    turn: { row: Pick<ClaimedRow, 'turn' | 'attempt'>; runner: RunnerType; waitedMs: number },
  ) {
    this.#deps = deps
    this.#row = turn.row
    this.#runner = turn.runner
    this.#waitedMs = turn.waitedMs
    deps.metrics.count('runs_claimed_total', { runner: turn.runner })
    deps.metrics.observe('run_queue_wait_seconds', { runner: turn.runner }, turn.waitedMs / 1000)
  }

  /** A batch of this run was committed. */
  saw(events: readonly StoredEvent[]): void {
    for (const event of events) {
      if (event.name === 'status') this.#sawStatus(payloadOf(event, 'status'))
      else if (event.name === 'sandbox') this.#mark('sandbox')
      else if (event.name === 'progress') this.#sawProgress(payloadOf(event, 'progress'))
      else if (!event.synthetic && this.#marks.has('launch')) this.#mark('first_event')
    }
  }

  /** The launcher, with the moment marked at which the agent is up. */
  watching(launcher: Launcher): Launcher {
    return {
      containment: launcher.containment,
      launch: async (request) => {
        const launched = await launcher.launch(request)
        this.#mark('launch')
        return launched
      },
    }
  }

  /** The turn is not driven here any more. @param lost its lease was */
  end(lost: boolean): void {
    const { log, metrics } = this.#deps
    const runner = this.#runner
    const outcome = this.#outcome ?? 'lost'
    if (lost) metrics.count('leases_lost_total', {})
    metrics.count('runs_ended_total', { runner, outcome })
    metrics.observe('run_duration_seconds', { runner, outcome }, secondsSince(this.#claimedAt))
    const stages = this.#stages()
    for (const { stage, ms } of stages) metrics.observe('run_stage_seconds', { stage }, ms / 1000)
    log.info(
      {
        turn: this.#row.turn,
        attempt: this.#row.attempt,
        runner,
        outcome,
        queue_ms: Math.round(this.#waitedMs),
        ...Object.fromEntries(stages.map(({ stage, ms }) => [`${stage}_ms`, Math.round(ms)])),
        total_ms: Math.round(performance.now() - this.#claimedAt),
      },
      'turn timing',
    )
  }

  #mark(stage: Stage): void {
    if (!this.#marks.has(stage)) this.#marks.set(stage, performance.now())
  }

  #sawStatus({ new_status: status, reason }: EventPayloads['status']): void {
    if (status === 'starting') return
    if (status === 'running') this.#deps.metrics.count('runs_started_total', { runner: this.#runner })
    else {
      this.#outcome = status === 'pending' ? handedBack(reason) : status
      this.#mark('collect')
    }
  }

  #sawProgress({ phase }: EventPayloads['progress']): void {
    if (phase === 'collecting_results') this.#mark('agent')
  }

  /** The stages that were passed, each from the end of the one before. */
  #stages(): { stage: Stage; ms: number }[] {
    let before = this.#claimedAt
    return STAGES.flatMap((stage) => {
      const at = this.#marks.get(stage)
      if (at === undefined) return []
      const ms = Math.max(0, at - before)
      before = at
      return [{ stage, ms }]
    })
  }
}

/** Why a turn went back to the queue; the words are ours. */
const handedBack = (reason: string | null): string =>
  reason === 'parked' || reason === 'drain' || reason === 'lease_lost' ? reason : 'requeued'
