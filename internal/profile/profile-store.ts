/** All SQL of profiles. */
import { sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import { SettingsSchema } from '../stored-json.ts'
import type { NewProfile, Profile, ProfileSettings } from './profile.ts'

const selectProfiles = (db: Db) =>
  db
    .selectFrom('profiles')
    .innerJoin('profile_versions', (join) =>
      join
        .onRef('profile_versions.profile_id', '=', 'profiles.id')
        .onRef('profile_versions.version', '=', 'profiles.latest_version'),
    )
    .selectAll('profiles')
    .select('profile_versions.settings')

type Row = Awaited<ReturnType<ReturnType<typeof selectProfiles>['executeTakeFirstOrThrow']>>

const toProfile = (row: Row): Profile => ({
  id: row.id,
  profileKey: row.profile_key,
  name: row.name,
  version: row.latest_version,
  settings: SettingsSchema.parse(JSON.parse(row.settings)),
  createdBy: row.created_by,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  archivedAt: row.archived_at,
})

export async function findProfile(
  db: Db,
  by: { id: string } | { profileKey: string },
): Promise<Profile | null> {
  const query = selectProfiles(db)
  const row = await ('id' in by
    ? query.where('profiles.id', '=', by.id)
    : query.where('profiles.profile_key', '=', by.profileKey)
  ).executeTakeFirst()
  return row ? toProfile(row) : null
}

/** False when key or name are taken: nothing was inserted. Call in a transaction. */
export async function insertProfile(tx: Db, id: string, profile: NewProfile): Promise<boolean> {
  const inserted = await tx
    .insertInto('profiles')
    .values({
      id,
      profile_key: profile.profileKey,
      name: profile.name,
      latest_version: 1,
      created_by: profile.createdBy,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!inserted) return false
  await insertVersion(tx, id, 1, profile.settings)
  return true
}

/**
 * Adds a version on top of `from` and makes it the latest; false when somebody else did so first.
 * Call in a transaction.
 */
export async function addProfileVersion(
  tx: Db,
  id: string,
  from: number,
  name: string,
  settings: ProfileSettings,
): Promise<boolean> {
  const moved = await tx
    .updateTable('profiles')
    .set({ latest_version: from + 1, name, updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('latest_version', '=', from)
    .returning('id')
    .executeTakeFirst()
  if (!moved) return false
  await insertVersion(tx, id, from + 1, settings)
  return true
}

const insertVersion = (tx: Db, profileId: string, version: number, settings: ProfileSettings) =>
  tx
    .insertInto('profile_versions')
    .values({ profile_id: profileId, version, settings: JSON.stringify(settings) })
    .execute()
