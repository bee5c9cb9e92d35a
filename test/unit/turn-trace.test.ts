import { describe, expect, test } from 'vitest'
import { TurnTrace } from '../../internal/engine/turn-trace.ts'
import type { EventPayload } from '../../internal/event/event.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import { createLogger } from '../../internal/log.ts'
import { anEvent } from '../support/api-values.ts'
import { counted } from '../support/counted.ts'

function traced() {
  const lines: Record<string, unknown>[] = []
  const log = createLogger('info', { write: (text: string) => void lines.push(JSON.parse(text)) })
  const metrics = counted()
  const row = { turn: 2, attempt: 3 }
  const trace = new TurnTrace({ log, metrics }, { row, runner: 'opencode', waitedMs: 40 })
  const saw = (payload: EventPayload, synthetic = true) => trace.saw([{ ...anEvent(1, payload), synthetic }])
  const status = (new_status: string, reason: string | null = null) =>
    saw({ status: { old_status: 'starting', new_status, reason } })
  return { lines, metrics, trace, saw, status }
}

const PROGRESS = { percent_complete: 85, current_action: null }
const launched = {} as Awaited<ReturnType<Launcher['launch']>>
const launcher: Launcher = { containment: 'none', launch: async () => launched }

describe('a turn', () => {
  test('that goes its way passes every stage, and the stages are all of its time', async () => {
    const { lines, metrics, trace, saw, status } = traced()
    status('starting')
    saw({ sandbox: { action: 'created', sandbox_id: 's', generation: 1, driver: 'copy', detail: null } })
    status('running')
    await trace.watching(launcher).launch({} as Parameters<Launcher['launch']>[0])
    saw({ message: { role: 'assistant', content: 'hello' } }, false)
    saw({ progress: { phase: 'collecting_results', ...PROGRESS } })
    status('needs_review')
    trace.end(false)

    expect(lines).toHaveLength(1)
    const [line = {}] = lines
    expect(line).toMatchObject({
      turn: 2,
      attempt: 3,
      runner: 'opencode',
      outcome: 'needs_review',
      queue_ms: 40,
    })
    expect(Object.keys(line).filter((key) => key.endsWith('_ms'))).toEqual([
      'queue_ms',
      'sandbox_ms',
      'launch_ms',
      'first_event_ms',
      'agent_ms',
      'collect_ms',
      'total_ms',
    ])
    expect(metrics.of('run_stage_seconds')).toHaveLength(5)
    expect(metrics.sums.get('runs_started_total{runner="opencode"}')).toBe(1)
    expect(metrics.sums.get('run_queue_wait_seconds{runner="opencode"}')).toBe(0.04)
    expect(metrics.of('leases_lost_total')).toEqual([])
  })

  test.each([
    ['pending', 'parked', 'parked'],
    ['pending', 'drain', 'drain'],
    ['pending', 'lease_lost', 'lease_lost'],
    ['pending', 'something', 'requeued'],
    ['failed', 'agent_error', 'failed'],
    ['cancelled', 'stopped', 'cancelled'],
  ])('that ends %s because of %s counts as %s', (status, reason, outcome) => {
    const traced_ = traced()
    traced_.status(status, reason)
    traced_.trace.end(false)

    expect(traced_.metrics.of('runs_ended_total')).toEqual([
      `runs_ended_total{runner="opencode",outcome="${outcome}"}`,
    ])
  })

  test('that is taken away is lost', () => {
    const { metrics, trace } = traced()
    trace.end(true)

    expect(metrics.of('runs_ended_total')).toEqual(['runs_ended_total{runner="opencode",outcome="lost"}'])
    expect(metrics.sums.get('leases_lost_total{}')).toBe(1)
  })
})
