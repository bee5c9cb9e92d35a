import { createHash } from 'node:crypto'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { insertDiff } from '../../internal/approval/approval-store.ts'
import { digestOf } from '../../internal/approval/diff-capture.ts'
import { ArtifactService } from '../../internal/artifact/artifact-service.ts'
import { diffArtifacts } from '../../internal/artifact/diff-artifacts.ts'
import { transcriptArtifacts } from '../../internal/artifact/transcript-artifacts.ts'
import type { EventPayload } from '../../internal/event/event.ts'
import { append } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
let artifacts: ArtifactService
const redactor = createRedactor()
redactor.add('a-known-secret')
beforeAll(async () => {
  database = await createTestDatabase()
  artifacts = withTranscripts()
})
afterAll(() => database.close())

const withTranscripts = (maxBytes?: number) =>
  new ArtifactService({
    db: database.db,
    sources: [
      diffArtifacts({ db: database.db, redactor }),
      transcriptArtifacts({ db: database.db }, maxBytes),
    ],
  })
const say = (runId: string, content: string, patch = {}) => {
  const payload: EventPayload = { message: { role: 'assistant', content } }
  const events = [toStorable({ payload }, redactor)]
  return append(database.db, { runId, from: ['pending', 'failed'], fence: null, patch, events })
}
const keep = async (runId: string, turn: number, text: string) => {
  const files = [{ id: '1', path: 'x', changeType: 'modified' as const }]
  await insertDiff(database.db, { runId, turn, digest: digestOf({ files, text }), content: text, files })
}
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')
const ending = (runId: string) =>
  database.db
    .updateTable('runs')
    .set({ status: 'cancelled', ended_at: new Date() })
    .where('id', '=', runId)
    .execute()

describe('the artifacts of a run', () => {
  test('are the diff of each turn and the transcript, the same at every look, without secrets', async () => {
    const runId = await insertRunRow(database.db, { turn: 1 })
    await say(runId, 'first')
    await keep(runId, 1, 'diff --git a/x b/x\n+one\n')
    await say(runId, 'second', { turn: 2 })
    await keep(runId, 2, 'diff --git a/x b/x\n+a-known-secret\n')
    await ending(runId)
    const list = await artifacts.list(runId)
    expect(list.map(({ type, name }) => [type, name])).toEqual([
      ['diff', 'turn-1.diff'],
      ['diff', 'turn-2.diff'],
      ['transcript', 'transcript-2.md'],
    ])
    for (const artifact of list) {
      const { artifact: same, content } = await artifacts.open(artifact.id)
      expect(same).toEqual(artifact)
      expect([content.length, sha256(content)]).toEqual([artifact.size, artifact.sha256])
      expect(content.toString()).not.toContain('a-known-secret')
    }
    expect(await artifacts.list(runId)).toEqual(list)
    expect(await withTranscripts().list(runId)).toEqual(list)
    const { content } = await artifacts.open(list[2]?.id ?? '')
    expect(content.toString()).toMatch(/## Turn 1\n[\s\S]*first[\s\S]*## Turn 2\n[\s\S]*second/)
  })

  test('hold no turn that still goes on', async () => {
    const runId = await insertRunRow(database.db, { turn: 1 })
    await say(runId, 'first')
    expect(await artifacts.list(runId)).toEqual([])
    await expect(artifacts.open(`transcript.${runId}.1`)).rejects.toMatchObject({
      code: 'NOT_FOUND_ARTIFACT',
    })
    await say(runId, 'second', { turn: 2 })
    expect((await artifacts.list(runId)).map(({ name }) => name)).toEqual(['transcript-1.md'])
    const { content } = await artifacts.open(`transcript.${runId}.1`)
    expect(content.toString()).not.toContain('second')
  })

  test('are bounded: a long conversation is cut with a word about it', async () => {
    const runId = await insertRunRow(database.db)
    for (let n = 0; n < 50; n += 1) await say(runId, 'x'.repeat(100))
    await ending(runId)
    const { content } = await withTranscripts(2000).open(`transcript.${runId}.1`)
    expect(content.length).toBeLessThan(2200)
    expect(content.toString()).toMatch(/Cut at 2000 bytes: the rest is in the log, from event \d+ on\.\n$/)
  })

  test('go with their run, and nobody finds others by guessing', async () => {
    const runId = await insertRunRow(database.db)
    await say(runId, 'first')
    await keep(runId, 1, 'diff --git a/x b/x\n+one\n')
    await ending(runId)
    const ids = (await artifacts.list(runId)).map(({ id }) => id)
    expect(ids).toHaveLength(2)
    await database.db
      .updateTable('runs')
      .set({ deleted_at: new Date(), deleted_by: 'ann' })
      .where('id', '=', runId)
      .execute()
    await expect(artifacts.list(runId)).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
    const other = uuid()
    for (const id of [
      ...ids,
      `diff.${other}.1.0123456789abcdef`,
      `diff.${runId}.1.`,
      'x',
      `transcript.${other}.1`,
    ]) {
      await expect(artifacts.open(id)).rejects.toMatchObject({ code: 'NOT_FOUND_ARTIFACT' })
    }
  })
})
