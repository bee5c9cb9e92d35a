/** Use cases of profiles. */
import { isDeepStrictEqual } from 'node:util'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import { violatedConstraint } from '../db/pg-error.ts'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { NewProfile, Profile } from './profile.ts'
import { addProfileVersion, findProfile, insertProfile } from './profile-store.ts'

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

  /** @throws CONFLICT_DUPLICATE when key or name are taken */
  async create(profile: NewProfile): Promise<Profile> {
    const id = uuid()
    const inserted = await this.#db.transaction().execute((tx) => insertProfile(tx, id, profile))
    if (!inserted) throw duplicate(profile)
    return this.get(id)
  }

  /** @throws NOT_FOUND_PROFILE */
  async get(id: string): Promise<Profile> {
    const profile = await findProfile(this.#db, { id })
    if (!profile) throw new AppError('NOT_FOUND_PROFILE', `There is no profile with id ${id}.`)
    return profile
  }

  findByKey(profileKey: string): Promise<Profile | null> {
    return findProfile(this.#db, { profileKey })
  }

  /**
   * Gets the profile of this key, making it from `defaults` when absent; concurrent callers get the same one.
   * @throws VALIDATION_FIELD when it is absent and no defaults are given; CONFLICT_DUPLICATE when another
   * profile has the name
   */
  async ensure(request: EnsureRequest): Promise<{ profile: Profile; created: boolean; updated: boolean }> {
    const { profileKey, defaults, updateExisting } = request
    const existing = await findProfile(this.#db, { profileKey })
    if (existing) {
      if (!updateExisting || !defaults || isSame(existing, defaults)) {
        return { profile: existing, created: false, updated: false }
      }
      return { profile: await this.#update(existing, defaults), created: false, updated: true }
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

  async #update(existing: Profile, wanted: NewProfile): Promise<Profile> {
    try {
      const moved = await this.#db
        .transaction()
        .execute((tx) => addProfileVersion(tx, existing.id, existing.version, wanted.name, wanted.settings))
      if (!moved) {
        throw new AppError(
          'STATE_TRANSITION_INVALID',
          'The profile was changed by somebody else meanwhile. Try again.',
        )
      }
    } catch (error) {
      throw violatedConstraint(error) === null ? error : duplicate(wanted)
    }
    return this.get(existing.id)
  }
}

const isSame = (profile: Profile, wanted: NewProfile): boolean =>
  profile.name === wanted.name && isDeepStrictEqual(profile.settings, wanted.settings)

const duplicate = (profile: NewProfile): AppError =>
  new AppError(
    'CONFLICT_DUPLICATE',
    `Another profile has the name "${profile.name}" or the key "${profile.profileKey}": choose other ones, or use POST /api/v1/profiles/ensure.`,
  )
