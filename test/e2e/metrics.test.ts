/** What the real service counts while a real agent works, and what its log says of it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  call,
  createRun,
  eventsOf,
  FINISHED,
  type Json,
  until,
  untilRun,
  watchRun,
} from '../support/client.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
let before: Metrics
let after: Metrics
let run: Json
beforeAll(async () => {
  world = await makeWorld('demo')
  service = await startService(world.env)
  const root = join(world.base, 'project')
  mkdirSync(root)
  makeGitProject(root, GREETER)
  before = await metrics()
  const { id } = await createRun(service.url, root)
  const watch = await watchRun(service.url, id, 0)
  await untilRun(service.url, id, (now) => FINISHED.includes(now?.['status']))
  await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, { actor: 'ada' })
  run = await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_COMPLETE')
  watch.close()
  await call(service.url, 'GET', '/api/v1/nothing')
  after = await until('the agent gone and the watcher too', metrics, (all) => {
    return all.get('agent_manager_agent_processes') === 0 && all.has(UPGRADED)
  })
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

/** Series -> value. */
type Metrics = ReadonlyMap<string, number>

const UPGRADED = 'agent_manager_http_requests_total{route="/api/v1/ws",method="GET",status="1xx"}'

async function metrics(): Promise<Metrics> {
  const answer = await fetch(`${service.url}/metrics`)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** How much all series of a name that hold these words moved. */
function moved(name: string, ...words: string[]): number {
  const sum = (all: Metrics) =>
    [...all]
      .filter(
        ([series]) => series.startsWith(`agent_manager_${name}`) && words.every((w) => series.includes(w)),
      )
      .reduce((total, [, value]) => total + value, 0)
  return sum(after) - sum(before)
}

describe('a run', () => {
  test.each([
    ['runs_claimed_total', ['runner="opencode"'], 1],
    ['runs_started_total', ['runner="opencode"'], 1],
    ['runs_ended_total', ['runner="opencode"', 'outcome="needs_review"'], 1],
    ['run_transitions_total', ['from="none"', 'to="pending"'], 1],
    ['run_transitions_total', ['from="running"', 'to="needs_review"'], 1],
    ['run_transitions_total', ['from="needs_review"', 'to="complete"'], 1],
    ['run_queue_wait_seconds_count', ['runner="opencode"'], 1],
    ['run_duration_seconds_count', ['outcome="needs_review"'], 1],
    ['approvals_total', ['action="approve"', 'outcome="done"'], 1],
    ['sandbox_call_duration_seconds_count', ['operation="create"', 'outcome="ok"'], 1],
    ['http_requests_total', ['route="/api/v1/runs"', 'method="POST"', 'status="2xx"'], 1],
    ['http_requests_total', ['route="unmatched"', 'status="4xx"'], 1],
    ['errors_total', ['code="NOT_FOUND_ROUTE"'], 1],
  ])('moves %s %j by %i', (name, words, by) => expect(moved(name, ...words)).toBe(by))

  test.each([
    ['events_appended_total', ['type="message"']],
    ['events_appended_total', ['type="tool_call"']],
    ['event_batches_total', []],
    ['append_duration_seconds_count', []],
    ['run_duration_seconds_sum', []],
    ['run_stage_seconds_count', ['stage="sandbox"']],
    ['run_stage_seconds_count', ['stage="launch"']],
    ['run_stage_seconds_count', ['stage="first_event"']],
    ['run_stage_seconds_count', ['stage="agent"']],
    ['run_stage_seconds_count', ['stage="collect"']],
    ['sandbox_call_duration_seconds_count', ['operation="diff"']],
    ['sandbox_call_duration_seconds_count', ['operation="apply_all"', 'outcome="ok"']],
    ['http_request_duration_seconds_count', ['route="/api/v1/runs/:id"']],
  ])('moves %s %j', (name, words) => expect(moved(name, ...words)).toBeGreaterThan(0))

  test('has each event counted once', async () => {
    const events = await eventsOf(service.url, run['id'])

    expect(moved('events_appended_total')).toBe(events.length)
  })

  test('leaves nothing in flight', () => {
    expect(after.get('agent_manager_http_requests_in_flight')).toBe(0)
    expect(after.get('agent_manager_http_body_bytes_in_flight')).toBe(0)
    expect(after.get('agent_manager_event_writer_queued_events')).toBe(0)
  })

  test('says where its time went, and its lines bear its id', () => {
    const lines = service
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line): Json => JSON.parse(line))
    const timing = lines.find(({ msg }) => msg === 'turn timing')

    expect(timing).toMatchObject({
      run_id: run['id'],
      attempt: 1,
      turn: 1,
      runner: 'opencode',
      outcome: 'needs_review',
    })
    const stages = ['sandbox', 'launch', 'first_event', 'agent', 'collect'].map((s) => timing?.[`${s}_ms`])
    expect(Math.min(...stages)).toBeGreaterThanOrEqual(0)
    expect(stages.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(timing?.['total_ms'] + 5)
    const started = lines.find(({ msg }) => msg === 'agent started')
    expect(started).toMatchObject({ run_id: run['id'], attempt: 1 })
    // The request that woke the engine has nothing to do with what is driven then.
    expect(started).not.toHaveProperty('request_id')
  })
})

test('the state of things is read when asked for', () => {
  const read = (series: string) => after.get(`agent_manager_${series}`)

  expect(read('run_slots')).toBe(10)
  expect(read('runs_driven')).toBe(0)
  expect(read('runs{status="pending"}')).toBe(0)
  expect(read('db_pool_max')).toBe(20)
  expect(read('db_pool_waiting')).toBeGreaterThanOrEqual(0)
  expect(read('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
  expect(read('process_cpu_seconds_total')).toBeGreaterThan(0)
})

test('labels are few: no id, no path, nothing a caller wrote', () => {
  const series = [...after.keys()]

  expect(series.length).toBeLessThan(1500)
  expect(series.filter((name) => name.includes(run['id']) || name.includes('/nothing'))).toEqual([])
  expect(series.filter((name) => !name.startsWith('agent_manager_'))).toEqual([])
})
