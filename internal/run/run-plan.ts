/** What a request for a run comes to, and everything that stands in its way. Nothing is made. */
import { AppError } from '../errors.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText } from '../event/storable.ts'
import type { NewProfile, Profile, ProfileSettings } from '../profile/profile.ts'
import { checkUsable, type ProfileService } from '../profile/profile-service.ts'
import { resolveScope } from '../project-root.ts'
import { renderPrompt, type Task } from '../task/task.ts'
import type { TaskService } from '../task/task-service.ts'
import { type AdmissionCheck, type AdmissionDeps, admissionChecks, checked } from './admission.ts'
import { type ConfigLevers, resolveConfig } from './resolve-config.ts'
import type { ConfigSources, RunConfig, RunMode } from './run.ts'

export interface RunWish {
  readonly taskId: string
  readonly profileId: string | null
  readonly profileRef: { readonly profileKey: string; readonly defaults: NewProfile | null } | null
  readonly runMode: RunMode | null
  readonly inlineConfig: ProfileSettings
  readonly prompt: string | null
}

export interface PlanDeps {
  readonly redactor: Redactor
  readonly tasks: TaskService
  readonly profiles: ProfileService
  readonly admission: AdmissionDeps
  readonly levers: ConfigLevers
  readonly projectRoots: readonly string[]
}

export interface RunPlan {
  /** In the order in which they count. */
  readonly checks: readonly AdmissionCheck[]
  readonly task: Task | null
  /** The profile as it is now; null: none is named, or it is still to be made. */
  readonly profile: Profile | null
  /** Null where the profile is not known. */
  readonly resolved: {
    readonly config: RunConfig
    readonly sources: ConfigSources
    readonly mode: RunMode
  } | null
  readonly prompt: string | null
}

const FIX = {
  task: 'Create the task first (POST /api/v1/tasks) and name its id.',
  project: 'Name an existing folder that this service can read, and a scope inside it.',
  profile: 'Name a profile that exists, or send profile_ref with defaults to make one.',
  prompt: 'Give a prompt, or a task with a description.',
} as const

export async function planRun(wish: RunWish, deps: PlanDeps): Promise<RunPlan> {
  const task = await found('task', FIX.task, () => deps.tasks.get(wish.taskId), 'the task is there')
  const place = await found(
    'project_root',
    FIX.project,
    () => (task.value ? resolveScope(task.value, deps.projectRoots) : null),
    'the project can be read',
  )
  const known = await found(
    'profile',
    FIX.profile,
    () => knownProfile(wish, deps.profiles),
    'settings are known',
  )
  const resolved = known.value && resolve(wish, known.value.settings, deps)
  const rules =
    resolved && place.value
      ? await admissionChecks({ ...resolved, projectRoot: place.value.projectRoot }, deps.admission)
      : []
  const prompt = await found(
    'prompt',
    FIX.prompt,
    () => (task.value ? promptOf(wish, task.value, deps.redactor) : null),
    'there is something to tell the agent',
  )
  const checks = [task.check, place.check, known.check, ...rules, prompt.check]
  return {
    // What hangs on something that is missing is not looked at.
    checks: checks.filter((check) => check !== null),
    task: task.value,
    profile: known.value?.profile ?? null,
    resolved,
    prompt: prompt.value,
  }
}

/** A thing that is needed, with the check that says so. Null for what cannot be looked for. */
async function found<T>(
  name: string,
  fix: string,
  look: () => Promise<T> | T | null,
  detail: string,
): Promise<{ value: T | null; check: AdmissionCheck | null }> {
  let value: T | null = null
  const check = await checked(name, fix, async () => {
    value = await look()
    return detail
  })
  return { value, check: check.ok && value === null ? null : check }
}

function resolve(wish: RunWish, profile: ProfileSettings, deps: PlanDeps): NonNullable<RunPlan['resolved']> {
  const { registry } = deps.admission
  const { config, sources } = resolveConfig(wish.inlineConfig, profile, deps.levers, {
    mode: wish.runMode,
    hasProviderAccess: (type) => registry.hasProviderAccess(type),
  })
  return { config, sources, mode: wish.runMode ?? (config.requiresSandbox ? 'sandboxed' : 'in_place') }
}

/** The profile as it is now; nothing is made before the run is admitted. */
async function knownProfile(
  { profileId, profileRef }: RunWish,
  profiles: ProfileService,
): Promise<{ profile: Profile | null; settings: ProfileSettings }> {
  if (profileId !== null) {
    const profile = await profiles.get(profileId)
    checkUsable(profile)
    return { profile, settings: profile.settings }
  }
  if (profileRef === null) return { profile: null, settings: {} }
  const profile = await profiles.findByKey(profileRef.profileKey)
  if (profile) checkUsable(profile)
  if (profile === null && profileRef.defaults === null) throw noDefaults(profileRef.profileKey)
  return { profile, settings: profile?.settings ?? profileRef.defaults?.settings ?? {} }
}

function noDefaults(profileKey: string): AppError {
  const message = `There is no profile ${profileKey} yet: give its "defaults" to make it.`
  return new AppError('VALIDATION_FIELD', message, {
    faults: [
      {
        field: 'profile_ref.defaults',
        rule: 'required',
        message: 'required while the profile does not exist',
      },
    ],
  })
}

function promptOf(wish: RunWish, task: Task, redactor: Redactor): string {
  const prompt = wish.prompt ?? task.description
  if (prompt.trim() === '' && task.contextAttachments.length === 0) {
    const message = 'prompt is empty and the task has no description: give one of them.'
    throw new AppError('VALIDATION_FIELD', message, {
      faults: [{ field: 'prompt', rule: 'required', message: 'required while the task has no description' }],
    })
  }
  return storableText(renderPrompt(prompt, task.contextAttachments), redactor)
}
