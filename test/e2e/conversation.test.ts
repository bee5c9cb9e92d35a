/** A person and claude-code: asked, answered late, told more, interrupted; the service dies in between. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentOf, listProcesses } from '../../internal/process/proc.ts'
import { call, createRun, eventsOf, FINISHED, type Json, runOf, until, untilRun } from '../support/client.ts'
import { MARKER } from '../support/marked-processes.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

const run = promisify(execFile)
const usage = {}
/** One conversation for all tests: each turn writes one file and says so; later turns go on in the same list. */
const SCENARIO = {
  name: 'conversation',
  steps: [
    { tool_calls: [{ tool: 'write', path: 'one.txt', content: 'one\n' }], usage },
    { text: 'Wrote one.txt.' },
    { tool_calls: [{ tool: 'write', path: 'two.txt', content: 'two\n' }], usage },
    { text: 'Wrote two.txt.' },
    { tool_calls: [{ tool: 'shell', command: 'sleep 30; echo slept' }], usage },
    { text: 'Slept.' },
    { text: 'And more.' },
  ],
}

let world: World
let service: RunningService
beforeAll(async () => {
  world = await makeWorld(SCENARIO, 'claude-code')
  service = await startService(world.env)
})
afterAll(async () => {
  await service?.end('SIGTERM')
  await world?.cleanUp()
})

const CLAUDE = { runner_type: 'claude-code' }
const interactionsOf = async (id: string): Promise<Json[]> =>
  (await call(service.url, 'GET', `/api/v1/runs/${id}/interactions`)).body['interactions']
const pendingOf = (id: string) =>
  until(
    'a pending interaction',
    async () => (await interactionsOf(id)).find((one) => one['status'] === 'pending') ?? {},
    (one) => one['id'] !== undefined,
  )
const answer = (id: string, interactionId: string, body: Json) =>
  call(service.url, 'POST', `/api/v1/runs/${id}/interactions/${interactionId}/answer`, body)
const processesOf = (id: string) =>
  listProcesses().filter(({ pid }) => environmentOf(pid, MARKER)?.includes(id))
const isOver = (one: Json) => FINISHED.includes(one['status'])
const start = async (more: { profile?: Json; run?: Json } = {}) => {
  const root = makeGitProject(join(world.base, `project-${randomUUID()}`), GREETER)
  const { id } = await createRun(service.url, root, {
    ...more,
    profile: { ...CLAUDE, ...more.profile },
  })
  return { id, root }
}

describe('a permission request', () => {
  test('outlives kill -9 of the service and is answered afterwards; the run goes on and completes', async () => {
    const { id } = await start({ profile: { permission_mode: 'ask', interaction_timeout: '10m' } })
    const asked = await pendingOf(id)
    expect(asked).toMatchObject({ kind: 'permission', tool_name: 'write' })
    await service.end('SIGKILL')
    service = await startService(world.env)

    const waiting = await untilRun(service.url, id, (one) => one['status'] === 'RUN_STATUS_PENDING')
    expect(waiting).toMatchObject({ pending_interactions: 1, waiting_on: { kind: 'interaction' } })
    expect(processesOf(id)).toEqual([])
    expect((await answer(id, asked['id'], { decision: 'allow', actor: 'ann' })).status).toBe(200)
    const over = await untilRun(service.url, id, isOver)
    expect(over).toMatchObject({
      status: 'RUN_STATUS_NEEDS_REVIEW',
      resume_mode: 'native',
      sandbox_generation: 1,
      attempt: 2,
      pending_interactions: 0,
    })
    const all = await interactionsOf(id)
    expect(all.map((one) => [one['status'], one['answered_by']])).toEqual([['answered', 'ann']])
  })

  test('parks its run when nobody answers for long: no process is left, and the answer wakes it', async () => {
    await service.end('SIGTERM')
    service = await startService({ ...world.env, AGENT_MANAGER_EXECUTION_PARK_AFTER: '1s' })
    const { id } = await start({ profile: { permission_mode: 'ask' } })
    const asked = await pendingOf(id)
    await untilRun(service.url, id, (one) => one['status'] === 'RUN_STATUS_PENDING')
    await until(
      'no process',
      async () => processesOf(id),
      (left) => left.length === 0,
    )
    expect(await runOf(service.url, id)).toMatchObject({ waiting_on: { kind: 'interaction' }, attempt: 1 })

    await answer(id, asked['id'], { decision: 'deny', message: 'leave it', actor: 'ann' })
    const over = await untilRun(service.url, id, isOver)
    expect(over).toMatchObject({ approval_state: 'APPROVAL_STATE_NONE', resume_mode: 'native', attempt: 2 })
    expect(over['diff']?.files ?? 0).toBe(0)
  })
})

describe('a conversation', () => {
  test('goes on after review and after approval, is told more while it works, and can be interrupted', async () => {
    const { id, root } = await start()
    await untilRun(service.url, id, isOver)
    const told = await call(service.url, 'POST', `/api/v1/runs/${id}/continue`, { message: 'now two' })
    expect(told).toMatchObject({ status: 202, body: { success: true, input: { status: 'queued' } } })
    const second = await untilRun(service.url, id, (one) => one['turn'] === 2 && isOver(one))
    expect(second).toMatchObject({
      status: 'RUN_STATUS_NEEDS_REVIEW',
      resume_mode: 'native',
      diff: { files: 2 },
    })

    const approved = await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, { actor: 'ann' })
    expect(approved.body['result']).toMatchObject({ success: true, files_applied: 2 })
    const { stdout } = await run('git', ['-C', root, 'show', '--stat', '--format=', 'HEAD'])
    expect(stdout).toMatch(/one\.txt[\s\S]*two\.txt/)

    await call(service.url, 'POST', `/api/v1/runs/${id}/continue`, { message: 'now sleep' })
    await until(
      'the long tool',
      () => eventsOf(service.url, id),
      (events) => events.some((event) => event['turn'] === 3 && event['tool_call']?.tool_name === 'shell'),
    )
    await call(service.url, 'POST', `/api/v1/runs/${id}/continue`, { message: 'and then' })
    const interrupted = await call(service.url, 'POST', `/api/v1/runs/${id}/interrupt`, { actor: 'ann' })
    expect(interrupted.status).toBe(202)
    const fourth = await untilRun(service.url, id, (one) => one['turn'] === 4 && isOver(one))
    expect(fourth).toMatchObject({ status: 'RUN_STATUS_COMPLETE' })
    const inputs = (await call(service.url, 'GET', `/api/v1/runs/${id}/inputs`)).body['inputs']
    expect(inputs.map((one: Json) => [one['turn'], one['status']])).toEqual([
      [1, 'delivered'],
      [2, 'delivered'],
      [3, 'delivered'],
      [4, 'delivered'],
    ])
    const closings = (await eventsOf(service.url, id)).flatMap((event) => {
      const status = event['status']
      return status && status.old_status === 'running'
        ? [[event['turn'], status.new_status, status.reason]]
        : []
    })
    expect(closings).toEqual([
      [1, 'needs_review', null],
      [2, 'needs_review', null],
      [3, 'complete', 'interrupted'],
      [4, 'complete', null],
    ])
  })
})
