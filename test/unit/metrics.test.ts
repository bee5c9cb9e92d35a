import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { createPrometheusMetrics } from '../../adapters/prometheus/index.ts'
import { countCommitted } from '../../internal/event/committed-meter.ts'
import type { EventPayload } from '../../internal/event/event.ts'
import { measuredLauncher } from '../../internal/launcher/measured.ts'
import { COUNTERS, GAUGES, READINGS, type Readings, reading, TIMERS } from '../../internal/metrics.ts'
import { cachedCounts } from '../../internal/run/status-counts.ts'
import { anEvent } from '../support/api-values.ts'
import { counted } from '../support/counted.ts'

const NAMES = [COUNTERS, TIMERS, GAUGES, READINGS].flatMap((catalogue) => Object.keys(catalogue))

const readings = (change: Partial<Readings> = {}): Readings => ({
  runs: () => [{ labels: { status: 'pending' }, value: 3 }],
  runs_driven: () => reading(1),
  run_slots: () => reading(10),
  event_writer_queued_events: () => reading(0),
  event_writer_queued_bytes: () => reading(0),
  feed_watched: () => [],
  db_pool_connections: () => [],
  db_pool_waiting: () => reading(0),
  db_pool_max: () => reading(20),
  ...change,
})

const seriesValue = (text: string, series: string): string | undefined =>
  text
    .split('\n')
    .find((line) => line.startsWith(`agent_manager_${series} `))
    ?.split(' ')
    .at(-1)

describe('the metrics as text', () => {
  test('hold every name of the table, its help, and nothing of another service in this process', async () => {
    const [one, other] = [createPrometheusMetrics(readings()), createPrometheusMetrics(readings())]
    one.count('leases_lost_total', {})
    one.count('errors_total', { code: 'INTERNAL' }, 2)
    one.move('agent_processes', 2)
    one.move('agent_processes', -1)
    one.observe('run_queue_wait_seconds', { runner: 'opencode' }, 0.5)

    const { text, contentType } = await one.expose()

    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    for (const name of NAMES) expect(text).toContain(`# HELP agent_manager_${name} `)
    expect(seriesValue(text, 'leases_lost_total')).toBe('1')
    expect(seriesValue(text, 'errors_total{code="INTERNAL"}')).toBe('2')
    expect(seriesValue(text, 'agent_processes')).toBe('1')
    expect(seriesValue(text, 'runs{status="pending"}')).toBe('3')
    expect(seriesValue(text, 'run_queue_wait_seconds_bucket{le="0.25",runner="opencode"}')).toBe('0')
    expect(seriesValue(text, 'run_queue_wait_seconds_bucket{le="1",runner="opencode"}')).toBe('1')
    expect(seriesValue((await other.expose()).text, 'leases_lost_total')).toBe('0')
  })

  test('leave out what is not known any more', async () => {
    let known = true
    const metrics = createPrometheusMetrics(
      readings({ runs: async () => (known ? [{ labels: { status: 'pending' }, value: 3 }] : []) }),
    )
    expect(seriesValue((await metrics.expose()).text, 'runs{status="pending"}')).toBe('3')

    known = false
    expect(seriesValue((await metrics.expose()).text, 'runs{status="pending"}')).toBeUndefined()
  })

  test('are all in the operations manual', async () => {
    const manual = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')

    expect(NAMES.filter((name) => !manual.includes(`\`${name}\``))).toEqual([])
  })
})

describe('committed events', () => {
  const batch = (...payloads: EventPayload[]) => {
    const metrics = counted()
    countCommitted(
      metrics,
      payloads.map((payload, index) => anEvent(index + 1, payload)),
    )
    return [...metrics.sums]
  }
  const status = (from: string | null, to: string, reason: string | null) => ({
    status: { old_status: from, new_status: to, reason },
  })

  test('tell of a batch, types and status changes', () => {
    expect(
      batch(status(null, 'pending', null), status('running', 'failed', 'agent_error'), {
        message: { role: 'assistant', content: 'to="x"' },
      }),
    ).toEqual([
      ['event_batches_total{}', 1],
      ['events_appended_total{type="status"}', 2],
      ['run_transitions_total{from="none",to="pending"}', 1],
      ['run_transitions_total{from="running",to="failed"}', 1],
      ['run_failures_total{code="agent_error"}', 1],
      ['events_appended_total{type="message"}', 1],
    ])
  })

  test.each([
    ['approve', null, 'done'],
    ['approve', 'the project moved on', 'error'],
    ['reject', 'not like this', 'done'],
  ] as const)('tell of a decision: %s with %j is %s', (action, error, outcome) => {
    const facts = { actor: 'ada', digest: null, files: null, hunks: null, commit_hash: null }
    expect(batch({ approval: { action, error, ...facts } })).toContainEqual([
      `approvals_total{action="${action}",outcome="${outcome}"}`,
      1,
    ])
  })

  test('are nothing where there are none', () => expect(batch()).toEqual([]))
})

test('an agent is alive until its process is gone', async () => {
  const metrics = counted()
  const { promise: exited, resolve: exit } = Promise.withResolvers<{ code: number; signal: null }>()
  const launched = { exited } as Awaited<ReturnType<Parameters<typeof measuredLauncher>[0]['launch']>>
  const launcher = measuredLauncher({ containment: 'none', launch: async () => launched }, metrics)
  const alive = () => metrics.sums.get('agent_processes{}')

  await launcher.launch({} as Parameters<typeof launcher.launch>[0])
  expect(alive()).toBe(1)
  exit({ code: 0, signal: null })
  await expect.poll(alive).toBe(0)
})

describe('runs by status', () => {
  const counts = new Map([['pending', 1]] as const)

  test('are read once for all who ask at once, and for those soon after', async () => {
    let reads = 0
    const read = cachedCounts(async () => {
      reads += 1
      return counts
    })

    await Promise.all(Array.from({ length: 20 }, read))
    expect(await read()).toBe(counts)
    expect(reads).toBe(1)
  })

  test('are unknown while the database is mute, and nobody asks it twice meanwhile', async () => {
    let reads = 0
    const read = cachedCounts(() => {
      reads += 1
      return new Promise(() => undefined)
    }, 20)

    expect(await Promise.all([read(), read()])).toEqual([null, null])
    expect(await read()).toBeNull()
    expect(reads).toBe(1)
  })

  test('are unknown when the database refuses', async () => {
    expect(await cachedCounts(() => Promise.reject(new Error('no')))()).toBeNull()
  })
})
