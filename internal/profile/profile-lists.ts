/** Lists of profiles, and of the versions of one. */
import { type SqlBool, sql } from 'kysely'
import { afterPage, cursorOf, foreignToken, toPage } from '../db/pages.ts'
import type { Db } from '../db/tables.ts'
import type { Page, PageRequest } from '../page.ts'
import type { Profile, ProfileFilter, ProfileVersion } from './profile.ts'
import { selectProfiles, toProfile, toSettings } from './profile-store.ts'

/** Newest first, by keyset (created_at, id). Index profiles_newest. */
export async function listProfiles(db: Db, filter: ProfileFilter, page: PageRequest): Promise<Page<Profile>> {
  const matching = selectProfiles(db).where(filterCondition(filter))
  const rows = await matching
    .selectAll('profiles')
    .select(['profile_versions.settings', cursorOf('profiles').as('cursor')])
    .where(afterPage('profiles', page.after))
    .orderBy('profiles.created_at', 'desc')
    .orderBy('profiles.id', 'desc')
    .offset(page.offset)
    .limit(page.size + 1)
    .execute()
  const list = { table: 'profiles', size: page.size, matching: matching.select('profiles.id') } as const
  return toPage(db, list, rows, toProfile)
}

const ARCHIVED = {
  no: sql<SqlBool>`archived_at IS NULL`,
  only: sql<SqlBool>`archived_at IS NOT NULL`,
  also: sql<SqlBool>`true`,
}

function filterCondition({ runnerType, archived }: ProfileFilter) {
  if (runnerType === null) return ARCHIVED[archived]
  return sql<SqlBool>`${ARCHIVED[archived]} AND settings::jsonb ->> 'runnerType' = ${runnerType}`
}

/** Newest first; the token of a page is its last version. Versions are numbered without gaps: the total is exact. */
export async function listVersions(
  db: Db,
  profileId: string,
  page: PageRequest,
): Promise<Page<ProfileVersion>> {
  let query = db.selectFrom('profile_versions').selectAll().where('profile_id', '=', profileId)
  if (page.after !== null) query = query.where('version', '<', versionToken(page.after))
  const rows = await query
    .orderBy('version', 'desc')
    .offset(page.offset)
    .limit(page.size + 1)
    .execute()
  const items = rows.slice(0, page.size).map(toVersion)
  const { total } = await db
    .selectFrom('profile_versions')
    .select(sql<number>`coalesce(max(version), 0)`.as('total'))
    .where('profile_id', '=', profileId)
    .executeTakeFirstOrThrow()
  const last = items.at(-1)
  return { items, total, totalExact: true, next: rows.length > page.size && last ? `v${last.version}` : null }
}

function versionToken(token: string): number {
  const [, version] = /^v(\d{1,9})$/.exec(token) ?? []
  if (version === undefined) throw foreignToken()
  return Number(version)
}

/** One version, also of a profile that was deleted: a run may pin it. */
export async function findVersion(
  db: Db,
  profileId: string,
  version: number,
): Promise<ProfileVersion | null> {
  const row = await db
    .selectFrom('profile_versions')
    .selectAll()
    .where('profile_id', '=', profileId)
    .where('version', '=', version)
    .executeTakeFirst()
  return row ? toVersion(row) : null
}

const toVersion = (row: {
  profile_id: string
  version: number
  settings: string
  created_at: Date
}): ProfileVersion => ({
  profileId: row.profile_id,
  version: row.version,
  settings: toSettings(row.settings),
  createdAt: row.created_at,
})
