/** Profiles that are updated, archived and deleted, on real Postgres. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProfileFilter } from '../../internal/profile/profile.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { holdProfile } from '../../internal/run/holds.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
let profiles: ProfileService
beforeAll(async () => {
  database = await createTestDatabase()
  profiles = new ProfileService({ db: database.db })
})
afterAll(() => database.close())

const create = (name: string, settings = {}) =>
  profiles.create({ profileKey: name, name, createdBy: 'ann', settings })
const wanted = (settings = {}, more: { name?: string; profileKey?: string } = {}) => ({
  name: more.name ?? null,
  profileKey: more.profileKey ?? null,
  settings,
})
const LIVE: ProfileFilter = { runnerType: null, archived: 'no' }
const page = (size: number, after: string | null = null, offset = 0) => ({ size, after, offset })
const namesOf = async (filter: Partial<ProfileFilter>) =>
  (await profiles.list({ ...LIVE, ...filter }, page(1000))).items.map(({ name }) => name)
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )

describe('an update', () => {
  test('makes a version where something differs, and only there', async () => {
    const { id } = await create('update', { maxTurns: 1, model: 'm' })

    const second = await profiles.update(id, wanted({ maxTurns: 2 }), null)
    const same = await profiles.update(id, wanted({ maxTurns: 2 }), null)

    expect(second).toMatchObject({ version: 2, revision: 2, name: 'update', createdBy: 'ann' })
    expect(second.settings).toEqual({ maxTurns: 2 })
    expect(same).toEqual(second)
    expect((await profiles.versions(id, page(10))).items.map(({ settings }) => settings)).toEqual([
      { maxTurns: 2 },
      { maxTurns: 1, model: 'm' },
    ])
  })

  test('of a name or key that is taken is refused and changes nothing', async () => {
    await create('first')
    const { id } = await create('second')

    expect(await codeOf(profiles.update(id, wanted({}, { name: 'first' }), null))).toBe('CONFLICT_DUPLICATE')
    expect(await codeOf(profiles.update(id, wanted({}, { profileKey: 'first' }), null))).toBe(
      'CONFLICT_DUPLICATE',
    )
    expect(await profiles.get(id)).toMatchObject({ name: 'second', profileKey: 'second', version: 1 })
  })

  test('of many at once on the same revision lets one through; without a condition all come one after another', async () => {
    const { id, revision } = await create('contended')

    const conditional = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        codeOf(profiles.update(id, wanted({ maxTurns: n + 1 }), [revision])),
      ),
    )
    const free = await Promise.all(
      Array.from({ length: 10 }, (_, n) => codeOf(profiles.update(id, wanted({ maxTurns: n + 100 }), null))),
    )

    expect(conditional.filter((code) => code === 'done')).toHaveLength(1)
    expect(conditional.filter((code) => code === 'PRECONDITION_FAILED')).toHaveLength(9)
    expect(new Set(free)).toEqual(new Set(['done']))
    expect(await profiles.get(id)).toMatchObject({ version: 12, revision: 12 })
  })

  test('of what is not there is a 404', async () => {
    const nobody = '01930000-0000-7000-8000-00000000ffff'

    expect(await codeOf(profiles.update(nobody, wanted(), null))).toBe('NOT_FOUND_PROFILE')
    expect(await codeOf(profiles.setArchived(nobody, true, null))).toBe('NOT_FOUND_PROFILE')
    expect(await codeOf(profiles.versions(nobody, page(1)))).toBe('NOT_FOUND_PROFILE')
    expect(await codeOf(profiles.version(nobody, 1))).toBe('NOT_FOUND_PROFILE_VERSION')
  })
})

describe('an archived profile', () => {
  test('is hidden unless asked for, keeps its key, and comes back', async () => {
    const { id, revision } = await create('archived')

    const archived = await profiles.setArchived(id, true, [revision])
    const again = await profiles.setArchived(id, true, null)

    expect(archived).toMatchObject({ revision: revision + 1, version: 1, archivedAt: expect.any(Date) })
    expect(again).toEqual(archived)
    expect(await codeOf(profiles.setArchived(id, false, [revision]))).toBe('PRECONDITION_FAILED')
    expect(await namesOf({})).not.toContain('archived')
    expect(await namesOf({ archived: 'only' })).toEqual(['archived'])
    expect(await namesOf({ archived: 'also' })).toContain('archived')
    expect(await codeOf(create('archived'))).toBe('CONFLICT_DUPLICATE')
    expect(await profiles.setArchived(id, false, null)).toMatchObject({ archivedAt: null })
    expect(await namesOf({})).toContain('archived')
  })

  test('is ensured as it is, and stays archived', async () => {
    const { id } = await create('ensured')
    await profiles.setArchived(id, true, null)
    const defaults = { profileKey: 'ensured', name: 'ensured', createdBy: null, settings: { maxTurns: 3 } }

    const left = await profiles.ensure({ profileKey: 'ensured', defaults, updateExisting: false })
    const updated = await profiles.ensure({ profileKey: 'ensured', defaults, updateExisting: true })

    expect(left).toMatchObject({ created: false, updated: false, profile: { id, version: 1 } })
    expect(updated).toMatchObject({ created: false, updated: true, profile: { id, version: 2 } })
    expect(updated.profile.archivedAt).not.toBeNull()
  })

  test('takes no new run, also not one that was admitted before', async () => {
    const { id } = await create('used')
    const use = () => database.db.transaction().execute((tx) => holdProfile(tx, { id }))
    expect(await codeOf(use())).toBe('done')

    await profiles.setArchived(id, true, null)

    expect(await codeOf(use())).toBe('STATE_PROFILE_ARCHIVED')
    await profiles.delete(id, null)
    expect(await codeOf(use())).toBe('NOT_FOUND_PROFILE')
  })

  test('waits for the run that is just being written', async () => {
    const { id } = await create('waits')
    const order: string[] = []
    const held = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const writing = database.db.transaction().execute(async (tx) => {
      await holdProfile(tx, { id })
      held.resolve()
      await go.promise
      order.push('run')
    })
    await held.promise

    const updated = await profiles.update(id, wanted({ maxTurns: 7 }), null)
    const archiving = profiles.setArchived(id, true, null).then(() => order.push('archived'))
    go.resolve()
    await Promise.all([writing, archiving])

    expect(updated.version).toBe(2)
    expect(order).toEqual(['run', 'archived'])
  })
})

describe('a deleted profile', () => {
  test('is found by nobody and its name is free; its versions stay for the runs that pin them', async () => {
    const { id, revision } = await create('deleted', { maxTurns: 4 })
    const run = await insertRunRow(database.db, { profile_id: id, profile_version: 1 })

    expect(await codeOf(profiles.delete(id, [revision + 1]))).toBe('PRECONDITION_FAILED')
    await profiles.delete(id, [revision])
    await profiles.delete(id, null)

    expect(await codeOf(profiles.get(id))).toBe('NOT_FOUND_PROFILE')
    expect(await codeOf(profiles.update(id, wanted(), null))).toBe('NOT_FOUND_PROFILE')
    expect(await namesOf({ archived: 'also' })).not.toContain('deleted')
    expect(await profiles.version(id, 1)).toMatchObject({ settings: { maxTurns: 4 } })
    const pinned = await database.db
      .selectFrom('runs')
      .select(['profile_id', 'profile_version'])
      .where('id', '=', run)
      .executeTakeFirst()
    expect(pinned).toEqual({ profile_id: id, profile_version: 1 })
    const next = await profiles.ensure({
      profileKey: 'deleted',
      defaults: { profileKey: 'deleted', name: 'deleted', createdBy: null, settings: {} },
      updateExisting: false,
    })
    expect(next.created).toBe(true)
    expect(next.profile.id).not.toBe(id)
  })
})

test('creating the same id again answers what was made the first time', async () => {
  const id = '01930000-0000-7000-8000-0000000000aa'
  const made = { profileKey: 'once', name: 'once', createdBy: null, settings: {} }

  const answers = await Promise.all(Array.from({ length: 5 }, () => profiles.create(made, id)))

  expect(new Set(answers.map((answer) => answer.id))).toEqual(new Set([id]))
})
