/** A run that goes off from another: what it is made of, its files in a real sandbox, and what its agent is told. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replayOf } from '../../internal/engine/going-on.ts'
import { openedEvents } from '../../internal/engine/snapshots.ts'
import type { EventPayload } from '../../internal/event/event.ts'
import { append } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { firstPrompt } from '../../internal/run/input-store.ts'
import type { SandboxService } from '../../internal/sandbox/port.ts'
import { readSnapshot } from '../../internal/snapshot/snapshot.ts'
import { findSnapshot, insertSnapshot } from '../../internal/snapshot/snapshot-store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow, insertTaskRow } from '../support/rows.ts'
import { type RunUseCases, runUseCases } from '../support/run-service.ts'
import { makeProject } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let database: TestDatabase
let server: SandboxServer
let projectRoot: string
let use: RunUseCases
let sandboxes: SandboxService
beforeAll(async () => {
  database = await createTestDatabase()
  server = await startSandboxServer({})
  projectRoot = await makeProject()
  use = runUseCases(database, server)
  sandboxes = use.admission.sandbox
})
afterAll(async () => {
  await server.stop()
  await database.close()
})

const ONE_FILE = [{ path: 'new.txt', mode: '100644', content: Buffer.from('of the parent') }] as const
const aRun = async (given: Parameters<typeof insertRunRow>[1] = {}) =>
  insertRunRow(database.db, {
    task_id: await insertTaskRow(database.db, projectRoot),
    status: 'failed',
    ...given,
  })
const plain = { message: null, fromTurn: null }

describe('a fork', () => {
  test('is a new run with the settings of the other, off its last turn that is over', async () => {
    const id = await aRun({ turn: 3, tag: 'eco-1' })
    await insertSnapshot(database.db, id, 2, ONE_FILE)
    await insertSnapshot(database.db, id, 3, ONE_FILE)
    const forked = await use.runs.fork(id, { message: 'otherwise', fromTurn: null })
    expect(forked).toMatchObject({
      forkOf: { runId: id, turn: 3 },
      retryOf: null,
      status: 'pending',
      turn: 1,
    })
    // Under its tag the other one is still found.
    expect(forked.tag).toBe(forked.id)
    expect(await firstPrompt(database.db, forked.id)).toBe('otherwise')
    const earlier = await use.runs.fork(id, { message: null, fromTurn: 2 })
    expect(earlier.forkOf).toEqual({ runId: id, turn: 2 })
    expect(await firstPrompt(database.db, earlier.id)).toMatch(/Go on/)
    await use.runs.stop(earlier.id, 'ann')
    expect((await use.runs.retry(earlier.id, { prompt: null, tag: null })).forkOf).toEqual({
      runId: id,
      turn: 2,
    })
  })

  test('goes off from a run that works on, at a turn that is over', async () => {
    const id = await aRun({ status: 'running', turn: 2 })
    await insertSnapshot(database.db, id, 1, ONE_FILE)
    expect((await use.runs.fork(id, plain)).forkOf).toEqual({ runId: id, turn: 1 })
    await expect(use.runs.fork(id, { message: null, fromTurn: 2 })).rejects.toMatchObject({
      code: 'VALIDATION_FIELD',
      faults: [{ field: 'from_turn' }],
    })
  })

  test('is refused where there is nothing to go off from', async () => {
    await expect(use.runs.fork(await aRun({ status: 'running' }), plain)).rejects.toMatchObject({
      code: 'STATE_TRANSITION_INVALID',
    })
    await expect(use.runs.fork(await aRun(), plain)).rejects.toMatchObject({ code: 'STATE_NO_DIFF' })
    await expect(use.runs.fork(await aRun({ mode: 'in_place' }), plain)).rejects.toMatchObject({
      code: 'STATE_NO_DIFF',
    })
    await expect(use.runs.fork(uuid(), plain)).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
  })
})

describe('the files of a turn', () => {
  test('come back from the database as they went in', async () => {
    const id = await aRun()
    const files = [
      { path: 'a', mode: '100644', content: Buffer.from([0, 255, 10]) },
      { path: 'b', mode: null, content: Buffer.alloc(0) },
      { path: 'c', mode: '120000', content: Buffer.from('a') },
      { path: 'd', mode: '100755', content: Buffer.from('x') },
    ] as const
    await insertSnapshot(database.db, id, 1, files)
    expect(await findSnapshot(database.db, id, 1)).toEqual(files)
    expect(await findSnapshot(database.db, id, 2)).toBeNull()
    await insertSnapshot(database.db, id, 2, [])
    expect(await findSnapshot(database.db, id, 2)).toEqual([])
  })

  test('begin the sandbox of a fork, whose diff is that of the other', async () => {
    const make = (key: string) => sandboxes.create({ key, owner: 'run', projectRoot })
    const parentId = await aRun()
    const parent = await make(`run:${parentId}:sandbox:1`)
    writeFileSync(join(parent.mergedDir, 'binary.bin'), Buffer.from([0, 1, 255]))
    mkdirSync(join(parent.mergedDir, 'deep/er'), { recursive: true })
    writeFileSync(join(parent.mergedDir, 'deep/er/tool.sh'), '#!/bin/sh\n', { mode: 0o755 })
    const diff = await sandboxes.diff(parent.id)
    await insertSnapshot(database.db, parentId, 1, await readSnapshot(parent.mergedDir, diff.files))
    await sandboxes.delete(parent.id)

    const row = { fork_of: parentId, fork_turn: 1, turn: 1, sandbox_id: null, sandbox_generation: 1 }
    const own = await make(`run:${uuid()}:sandbox:1`)
    for (let time = 0; time < 2; time += 1) {
      const events = await openedEvents(database.db, row, own)
      expect(events.map(({ payload }) => 'sandbox' in payload && payload.sandbox.action)).toEqual([
        'created',
        'forked',
      ])
      const now = await sandboxes.diff(own.id)
      expect(now.text).toBe(diff.text)
      expect(now.files.map(({ path }) => path)).toEqual(['binary.bin', 'deep/er/tool.sh'])
    }

    // What the run did since, in this sandbox or in a later turn, is left alone.
    const later = await make(`run:${uuid()}:sandbox:1`)
    for (const change of [{ turn: 2 }, { sandbox_id: later.id }, { fork_of: null, fork_turn: null }]) {
      const events = await openedEvents(database.db, { ...row, ...change }, later)
      expect(events).toHaveLength(1)
    }
    expect((await sandboxes.diff(later.id)).files).toEqual([])
  })

  test('that cannot be laid are a fault of the sandbox, in words', async () => {
    const parentId = await aRun()
    await insertSnapshot(database.db, parentId, 1, [{ ...ONE_FILE[0], path: '../out' }])
    const own = await sandboxes.create({ key: `run:${uuid()}:sandbox:1`, owner: 'run', projectRoot })
    const row = { fork_of: parentId, fork_turn: 1, turn: 1, sandbox_id: null, sandbox_generation: 1 }
    await expect(openedEvents(database.db, row, own)).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
  })
})

describe('what the agent of a fork is told of before', () => {
  const redactor = createRedactor()
  const write = (runId: string, turn: number, ...payloads: EventPayload[]) =>
    append(database.db, {
      runId,
      from: ['failed', 'pending'],
      fence: null,
      patch: { turn },
      events: payloads.map((payload) => toStorable({ payload }, redactor)),
    })
  const say = (content: string): EventPayload => ({ message: { role: 'assistant', content } })

  test('is the conversation of the other until the turn it goes off from, and of those before', async () => {
    const first = await aRun()
    await write(first, 1, say('first'), {
      tool_call: { tool_name: 'write', input: { path: 'a' }, tool_call_id: 'c' },
    })
    await write(first, 2, say('too late'))
    const second = await aRun({ fork_of: first, fork_turn: 1 })
    await write(second, 1, say('second'))
    await write(second, 2, say('third'))
    const third = await aRun({ fork_of: second, fork_turn: 2 })
    const told = await replayOf(database.db, third, 1)
    expect(told).toMatch(
      /first[\s\S]*\[did\] write \{"path":"a"\}: no result[\s\S]*second[\s\S]*third[\s\S]*Now:/,
    )
    expect(told).not.toContain('too late')
    await write(third, 1, say('own'))
    expect(await replayOf(database.db, third, 2)).toMatch(/third[\s\S]*own/)
  })

  test('is bounded, the newest first of all', async () => {
    const parent = await aRun()
    for (let n = 0; n < 100; n += 1) await write(parent, 1, say(`${n} ${'x'.repeat(1000)}`))
    const fork = await aRun({ fork_of: parent, fork_turn: 1 })
    const told = await replayOf(database.db, fork, 1)
    expect(told.length).toBeLessThan(66 * 1024)
    expect(told).toContain('99 x')
    expect(told).not.toContain('\n1 x')
  })

  test('is nothing where nothing was said', async () => {
    expect(await replayOf(database.db, await aRun(), 1)).toBe('')
  })
})
