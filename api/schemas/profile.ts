/** Profiles on the wire. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type {
  NewProfile,
  Profile,
  ProfileFilter,
  ProfileSettings,
  ProfileUpdate,
  ProfileVersion,
} from '../../internal/profile/profile.ts'
import { protoEnumQuery, RUNNER_TYPE } from '../dialect/enums.ts'
import { flagIn, longTextIn, outputOnly, requiredTextIn, textIn } from '../dialect/fields.ts'
import { MAX_TEXT_BYTES } from '../limits.ts'
import { idOr404, idOut, repeatedId, time, timeOrNull, timeOut } from './common.ts'
import { pageOut, pageQuery } from './page.ts'
import { settingsFrom, settingsIn } from './settings.ts'
import { settingsOut, settingsView } from './settings-view.ts'

const NAME = 'The name shown to people; defaults to profile_key.'
const KEY = 'The key that callers know the profile by; unique; defaults to name.'

export const profileIn = z
  .strictObject({
    name: textIn(255, NAME),
    profile_key: textIn(255, KEY),
    description: longTextIn(MAX_TEXT_BYTES, 'What the profile is for.'),
    created_by: textIn(255, 'Who made it.'),
    ...settingsIn,
    id: outputOnly('The id.'),
    version: outputOnly('The version.'),
    created_at: outputOnly('When it was made.'),
    updated_at: outputOnly('When it last changed.'),
    archived_at: outputOnly('When it was archived.'),
  })
  .meta({
    id: 'NewAgentProfile',
    description: 'Named settings of runs. Unset members inherit the defaults.',
  })

/** @param path where in the request the profile stands; `key` is the one that counts where the caller gave it */
export function profileFrom(
  input: z.output<typeof profileIn>,
  path: string,
  key: string | null = null,
): NewProfile {
  const profileKey = key ?? input.profile_key ?? input.name
  if (profileKey === null) {
    const message = 'is required; give a name or a profile_key'
    throw new AppError('VALIDATION_FIELD', `${path}.name: ${message}.`, {
      faults: [{ field: `${path}.name`, rule: 'required', message }],
    })
  }
  if (key !== null && input.profile_key !== null && input.profile_key !== key) {
    throw new AppError('VALIDATION_CONFLICT', `${path}.profile_key is not profile_key; leave it out.`)
  }
  return {
    profileKey,
    name: input.name ?? profileKey,
    createdBy: input.created_by,
    settings: allSettingsFrom(input, path),
  }
}

function allSettingsFrom(input: z.output<typeof profileIn>, path: string): ProfileSettings {
  const settings = settingsFrom(input, path)
  return input.description === null ? settings : { ...settings, description: input.description }
}

export const createProfileBody = z.strictObject({ profile: profileIn })

export const ensureProfileBody = z.strictObject({
  profile_key: requiredTextIn(100, KEY),
  defaults: profileIn.nullish().meta({ description: 'The profile to make where none has this key.' }),
  update_existing: flagIn('Whether an existing profile gets a new version with these settings.'),
})

export const updateProfileBody = z.strictObject({ profile_id: repeatedId, profile: profileIn })

export const profileUpdateFrom = (input: z.output<typeof profileIn>): ProfileUpdate => ({
  profileKey: input.profile_key,
  name: input.name,
  settings: allSettingsFrom(input, 'profile'),
})

/** A body that says nothing but what the path says. */
export const profileIdBody = z.strictObject({ profile_id: repeatedId })

const ARCHIVED = { false: 'no', true: 'only', all: 'also' } as const

export const listProfilesQuery = z.strictObject({
  runner_type: protoEnumQuery(RUNNER_TYPE, 'Only profiles that name this runner.'),
  archived: z.enum(['false', 'true', 'all'], 'must be one of false, true, all').default('false').meta({
    description: 'false: those that are not archived; true: only archived ones; all: both.',
  }),
  ...pageQuery('Profiles'),
})

export const profileFilterFrom = (query: z.output<typeof listProfilesQuery>): ProfileFilter => ({
  runnerType: query.runner_type,
  archived: ARCHIVED[query.archived],
})

export const listVersionsQuery = z.strictObject(pageQuery('Versions'))

export const versionParams = z.strictObject({
  id: z.string().meta({ description: 'A UUID; anything else is a 404.' }),
  version: z.string().meta({ description: 'A number from 1; anything else is a 404.' }),
})

/** @throws NOT_FOUND_PROFILE, NOT_FOUND_PROFILE_VERSION for what cannot be an id or a version */
export function versionFrom(params: z.output<typeof versionParams>): { id: string; version: number } {
  const id = idOr404(params.id, 'NOT_FOUND_PROFILE')
  if (/^[1-9]\d{0,8}$/.test(params.version)) return { id, version: Number(params.version) }
  const message = `"${params.version.slice(0, 100)}" is not a version: versions are numbered from 1.`
  throw new AppError('NOT_FOUND_PROFILE_VERSION', message)
}

export const profileOut = z
  .strictObject({
    id: idOut,
    name: z.string().meta({ description: NAME }),
    profile_key: z.string().meta({ description: KEY }),
    description: z.string().nullable(),
    ...settingsOut,
    version: z.int().meta({ description: 'Goes up by one with each update; runs pin the one they got.' }),
    created_by: z.string().nullable(),
    created_at: timeOut('When the profile was made.'),
    updated_at: timeOut('When it last changed.'),
    archived_at: timeOut('When it was archived.').nullable(),
  })
  .meta({ id: 'AgentProfile', description: 'Named, versioned settings of runs. null: inherits the default.' })

export function profileView(profile: Profile): z.output<typeof profileOut> {
  return {
    id: profile.id,
    name: profile.name,
    profile_key: profile.profileKey,
    description: profile.settings.description ?? null,
    ...settingsView(profile.settings),
    version: profile.version,
    created_by: profile.createdBy,
    created_at: time(profile.createdAt),
    updated_at: time(profile.updatedAt),
    archived_at: timeOrNull(profile.archivedAt),
  }
}

const versionOut = z
  .strictObject({
    profile_id: idOut,
    version: z.int(),
    description: z.string().nullable(),
    ...settingsOut,
    created_at: timeOut('When the version was made.'),
  })
  .meta({
    id: 'AgentProfileVersion',
    description: 'The settings of a profile from one update to the next. They never change.',
  })

export const versionView = (version: ProfileVersion): z.output<typeof versionOut> => ({
  profile_id: version.profileId,
  version: version.version,
  description: version.settings.description ?? null,
  ...settingsView(version.settings),
  created_at: time(version.createdAt),
})

export const versionAnswer = z.strictObject({ version: versionOut })
export const listVersionsAnswer = z.strictObject({ versions: z.array(versionOut), ...pageOut })
export const listProfilesAnswer = z.strictObject({ profiles: z.array(profileOut), ...pageOut })

export const profileAnswer = z.strictObject({ profile: profileOut })

export const ensureProfileAnswer = z.strictObject({
  profile: profileOut,
  created: z.boolean(),
  updated: z.boolean(),
})

export const getProfileAnswer = z.strictObject({
  profile: profileOut,
  available_models: z.array(z.unknown()).meta({ description: 'Always empty: not built yet.' }),
  model_presets: z.record(z.string(), z.string()).meta({ description: 'Always empty: not built yet.' }),
})
