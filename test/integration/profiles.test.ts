import { afterAll, beforeAll, expect, test } from 'vitest'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let profiles: ProfileService
beforeAll(async () => {
  database = await createTestDatabase()
  profiles = new ProfileService({ db: database.db })
})
afterAll(() => database.close())

const wanted = (profileKey: string, more = {}) => ({
  profileKey,
  name: profileKey,
  createdBy: null,
  settings: { maxTurns: 5 },
  ...more,
})
const ensure = (profileKey: string, more = {}, updateExisting = false) =>
  profiles.ensure({ profileKey, defaults: wanted(profileKey, more), updateExisting })

test('many callers that ensure one key get one profile, and one of them made it', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => ensure('shared')))

  expect(new Set(answers.map(({ profile }) => profile.id)).size).toBe(1)
  expect(answers.filter(({ created }) => created)).toHaveLength(1)
})

test('a change makes a new version and leaves the old one as it was', async () => {
  const { profile } = await ensure('versioned')
  expect(await ensure('versioned', { settings: { maxTurns: 9 } })).toMatchObject({
    updated: false,
    profile: { version: 1 },
  })
  expect(await ensure('versioned', { settings: { maxTurns: 9 } }, true)).toMatchObject({
    updated: true,
    profile: { version: 2, settings: { maxTurns: 9 } },
  })
  expect(await ensure('versioned', { settings: { maxTurns: 9 } }, true)).toMatchObject({
    updated: false,
    profile: { version: 2 },
  })

  const versions = await database.db
    .selectFrom('profile_versions')
    .select(['version', 'settings'])
    .where('profile_id', '=', profile.id)
    .orderBy('version')
    .execute()
  expect(versions).toEqual([
    { version: 1, settings: '{"maxTurns":5}' },
    { version: 2, settings: '{"maxTurns":9}' },
  ])
})

test('a name or key that is taken is refused by what to do', async () => {
  await ensure('taken')

  await expect(profiles.create(wanted('taken'))).rejects.toMatchObject({ code: 'CONFLICT_DUPLICATE' })
  await expect(ensure('other', { name: 'taken' })).rejects.toMatchObject({ code: 'CONFLICT_DUPLICATE' })
  await expect(
    profiles.ensure({ profileKey: 'absent', defaults: null, updateExisting: false }),
  ).rejects.toMatchObject({ code: 'VALIDATION_FIELD' })
})
