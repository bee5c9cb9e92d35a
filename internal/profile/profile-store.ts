/** All SQL of profiles but their lists (profile-lists.ts). A deleted profile is found by nobody. */
import { type Selectable, sql } from 'kysely'
import type { Db, ProfilesTable } from '../db/tables.ts'
import { SettingsSchema } from '../stored-json.ts'
import type { NewProfile, Profile, ProfileSettings } from './profile.ts'

/** Live profiles with the settings of their newest version. */
export const selectProfiles = (db: Db) =>
  db
    .selectFrom('profiles')
    .innerJoin('profile_versions', (join) =>
      join
        .onRef('profile_versions.profile_id', '=', 'profiles.id')
        .onRef('profile_versions.version', '=', 'profiles.latest_version'),
    )
    .where('profiles.deleted_at', 'is', null)

export const toProfile = (row: Selectable<ProfilesTable> & { readonly settings: string }): Profile => ({
  id: row.id,
  profileKey: row.profile_key,
  name: row.name,
  version: row.latest_version,
  settings: toSettings(row.settings),
  createdBy: row.created_by,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  archivedAt: row.archived_at,
  revision: row.revision,
})

export const toSettings = (text: string): ProfileSettings => SettingsSchema.parse(JSON.parse(text))

export async function findProfile(
  db: Db,
  by: { id: string } | { profileKey: string },
): Promise<Profile | null> {
  const query = selectProfiles(db).selectAll('profiles').select('profile_versions.settings')
  const row = await ('id' in by
    ? query.where('profiles.id', '=', by.id)
    : query.where('profiles.profile_key', '=', by.profileKey)
  ).executeTakeFirst()
  return row ? toProfile(row) : null
}

/**
 * Keeps a profile as it is until the transaction ends. `use`: others may use and update it meanwhile, not archive
 * or delete it; `update`: others may use it; `end`: nobody may, and who uses it now is waited for.
 */
export async function lockProfile(
  tx: Db,
  id: string,
  purpose: 'use' | 'update' | 'end',
): Promise<Profile | null> {
  const row = tx.selectFrom('profiles').select('id').where('id', '=', id)
  const locked = {
    use: () => row.forKeyShare(),
    update: () => row.forNoKeyUpdate(),
    end: () => row.forUpdate(),
  }
  await locked[purpose]().execute()
  // Read when the lock is there: who held it may have made another version the latest.
  return findProfile(tx, { id })
}

/** False when id, key or name are taken: nothing was inserted. Call in a transaction. */
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

/** Adds a version and makes it the latest. The profile is locked. @throws the unique violation of key or name */
export async function addProfileVersion(
  tx: Db,
  profile: Pick<Profile, 'id' | 'version'>,
  next: Omit<NewProfile, 'createdBy'>,
): Promise<void> {
  const version = profile.version + 1
  await changed(tx, profile.id)
    .set({ latest_version: version, name: next.name, profile_key: next.profileKey })
    .execute()
  await insertVersion(tx, profile.id, version, next.settings)
}

/** The profile is locked. */
export const setArchived = (tx: Db, id: string, isArchived: boolean): Promise<unknown> =>
  changed(tx, id)
    .set({ archived_at: isArchived ? sql<Date>`now()` : null })
    .execute()

/** Its key and name are free again; its versions stay. The profile is locked. */
export const markDeleted = (tx: Db, id: string): Promise<unknown> =>
  changed(tx, id).set({ deleted_at: sql<Date>`now()` }).execute()

const changed = (tx: Db, id: string) =>
  tx
    .updateTable('profiles')
    .set({ revision: sql<number>`revision + 1`, updated_at: sql<Date>`now()` })
    .where('id', '=', id)

const insertVersion = (tx: Db, profileId: string, version: number, settings: ProfileSettings) =>
  tx
    .insertInto('profile_versions')
    .values({ profile_id: profileId, version, settings: JSON.stringify(settings) })
    .execute()
