/** Use cases of profiles. */
import { isDeepStrictEqual } from 'node:util'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import { violatedConstraint } from '../db/pg-error.ts'
import type { Db, Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { Page, PageRequest } from '../page.ts'
import { checkRevision, type IfMatch } from '../revision.ts'
import type { NewProfile, Profile, ProfileFilter, ProfileUpdate, ProfileVersion } from './profile.ts'
import { findVersion, listProfiles, listVersions } from './profile-lists.ts'
import {
  addProfileVersion,
  findProfile,
  insertProfile,
  lockProfile,
  markDeleted,
  setArchived,
} from './profile-store.ts'

export interface EnsureRequest {
  readonly profileKey: string
  readonly defaults: NewProfile | null
  readonly updateExisting: boolean
}

export class ProfileService {
  readonly #db: Kysely<Tables>

  constructor(deps: { db: Kysely<Tables> }) {
    this.#db = deps.db
  }

  /**
   * @param id its id; creating the same id again answers the profile of the first time
   * @throws CONFLICT_DUPLICATE when key or name are taken
   */
  async create(profile: NewProfile, id: string = uuid()): Promise<Profile> {
    await this.#db.transaction().execute((tx) => insertProfile(tx, id, profile))
    const made = await findProfile(this.#db, { id })
    if (!made) throw duplicate(profile)
    return made
  }

  /** @throws NOT_FOUND_PROFILE */
  async get(id: string): Promise<Profile> {
    const profile = await findProfile(this.#db, { id })
    if (!profile) throw notFound(id)
    return profile
  }

  findByKey(profileKey: string): Promise<Profile | null> {
    return findProfile(this.#db, { profileKey })
  }

  list(filter: ProfileFilter, page: PageRequest): Promise<Page<Profile>> {
    return listProfiles(this.#db, filter, page)
  }

  /** Newest first; also of a deleted profile, because runs pin versions. @throws NOT_FOUND_PROFILE */
  async versions(id: string, page: PageRequest): Promise<Page<ProfileVersion>> {
    const found = await listVersions(this.#db, id, page)
    if (found.total === 0) throw notFound(id)
    return found
  }

  /** @throws NOT_FOUND_PROFILE_VERSION */
  async version(id: string, version: number): Promise<ProfileVersion> {
    const found = await findVersion(this.#db, id, version)
    if (found) return found
    throw new AppError('NOT_FOUND_PROFILE_VERSION', `There is no version ${version} of profile ${id}.`)
  }

  /**
   * Gets the profile of this key, making it from `defaults` when absent; concurrent callers get the same one. An
   * archived one stays archived.
   * @throws VALIDATION_FIELD when it is absent and no defaults are given; CONFLICT_DUPLICATE when another
   * profile has the name
   */
  async ensure(request: EnsureRequest): Promise<{ profile: Profile; created: boolean; updated: boolean }> {
    const { profileKey, defaults, updateExisting } = request
    const existing = await findProfile(this.#db, { profileKey })
    if (existing) {
      if (!updateExisting || !defaults) return { profile: existing, created: false, updated: false }
      return { ...(await this.#replace(existing.id, { ...defaults, profileKey }, null)), created: false }
    }
    if (!defaults) {
      throw new AppError(
        'VALIDATION_FIELD',
        `There is no profile ${profileKey} yet: give its "defaults" to make it.`,
        {
          faults: [
            { field: 'defaults', rule: 'required', message: 'required while the profile does not exist' },
          ],
        },
      )
    }
    const inserted = await this.#db
      .transaction()
      .execute((tx) => insertProfile(tx, uuid(), { ...defaults, profileKey }))
    const profile = await findProfile(this.#db, { profileKey })
    if (!profile) throw duplicate({ ...defaults, profileKey })
    return { profile, created: inserted, updated: false }
  }

  /**
   * Replaces name, key and settings; a new version where anything differs.
   * @throws NOT_FOUND_PROFILE, PRECONDITION_FAILED, CONFLICT_DUPLICATE
   */
  async update(id: string, wanted: ProfileUpdate, ifMatch: IfMatch): Promise<Profile> {
    return (await this.#replace(id, wanted, ifMatch)).profile
  }

  /**
   * An archived profile takes no new runs and is not listed; everything else about it stays. Repeating it is
   * harmless.
   * @throws NOT_FOUND_PROFILE, PRECONDITION_FAILED
   */
  setArchived(id: string, isArchived: boolean, ifMatch: IfMatch): Promise<Profile> {
    return this.#db.transaction().execute(async (tx) => {
      const profile = await lock(tx, id, isArchived ? 'end' : 'update', ifMatch)
      if ((profile.archivedAt !== null) === isArchived) return profile
      await setArchived(tx, id, isArchived)
      return reread(tx, id)
    })
  }

  /**
   * Ends the profile: nobody finds it any more, its key and name are free. Its versions stay for the runs that pin
   * them. Repeating it is harmless, and so is deleting what never was.
   * @throws PRECONDITION_FAILED
   */
  delete(id: string, ifMatch: IfMatch): Promise<void> {
    return this.#db.transaction().execute(async (tx) => {
      const profile = await lockProfile(tx, id, 'end')
      if (!profile) return
      checkRevision(`Profile ${id}`, profile.revision, ifMatch)
      await markDeleted(tx, id)
    })
  }

  async #replace(
    id: string,
    wanted: ProfileUpdate,
    ifMatch: IfMatch,
  ): Promise<{ profile: Profile; updated: boolean }> {
    try {
      return await this.#db.transaction().execute(async (tx) => {
        const profile = await lock(tx, id, 'update', ifMatch)
        const next = {
          profileKey: wanted.profileKey ?? profile.profileKey,
          name: wanted.name ?? profile.name,
          settings: wanted.settings,
        }
        if (isSame(profile, next)) return { profile, updated: false }
        await addProfileVersion(tx, profile, next)
        return { profile: await reread(tx, id), updated: true }
      })
    } catch (error) {
      throw violatedConstraint(error) === null ? error : duplicate(wanted)
    }
  }
}

async function lock(tx: Db, id: string, purpose: 'update' | 'end', ifMatch: IfMatch): Promise<Profile> {
  const profile = await lockProfile(tx, id, purpose)
  if (!profile) throw notFound(id)
  checkRevision(`Profile ${id}`, profile.revision, ifMatch)
  return profile
}

async function reread(tx: Db, id: string): Promise<Profile> {
  const profile = await findProfile(tx, { id })
  if (!profile) throw notFound(id)
  return profile
}

const isSame = (profile: Profile, next: Omit<NewProfile, 'createdBy'>): boolean =>
  profile.name === next.name &&
  profile.profileKey === next.profileKey &&
  isDeepStrictEqual(profile.settings, next.settings)

const notFound = (id: string): AppError =>
  new AppError('NOT_FOUND_PROFILE', `There is no profile with id ${id}.`)

function duplicate({ name, profileKey }: Pick<ProfileUpdate, 'name' | 'profileKey'>): AppError {
  const taken = [name && `the name "${name}"`, profileKey && `the key "${profileKey}"`].filter(Boolean)
  return new AppError(
    'CONFLICT_DUPLICATE',
    `Another profile, perhaps an archived one, has ${taken.join(' or ')}: choose other ones, or use POST /api/v1/profiles/ensure.`,
  )
}

/** Refuses new runs of an archived profile. @throws STATE_PROFILE_ARCHIVED */
export function checkUsable(profile: Profile): void {
  if (profile.archivedAt === null) return
  throw new AppError(
    'STATE_PROFILE_ARCHIVED',
    `Profile ${profile.profileKey} is archived and takes no new runs: unarchive it or choose another one.`,
  )
}
