/**
 * What goes over the wire, derived from the schemas that the service checks it with: one source, types only.
 * Answers are `z.output`. Requests are `z.input`, but where a schema takes anything and reads it (names in several
 * spellings, durations) the member is what it reads it to.
 */
import type { z } from 'zod'
import type { EventPayloads, PayloadName } from '../../internal/event/event.ts'
import type { RunStatus as InnerRunStatus, RunMode } from '../../internal/run/run.ts'
import type { RunnerType } from '../../internal/runner/port.ts'
import type { TaskStatus as InnerTaskStatus } from '../../internal/task/task.ts'
import type { artifactsAnswer } from '../schemas/artifact.ts'
import type { dryRunAnswer } from '../schemas/dry-run.ts'
import type { protoHealthAnswer } from '../schemas/health.ts'
import type { answerBody, interactionAnswer } from '../schemas/interaction.ts'
import type {
  ensureProfileAnswer,
  ensureProfileBody,
  listProfilesQuery,
  profileIn,
  profileOut,
  versionAnswer,
} from '../schemas/profile.ts'
import type { approveAnswer, approveBody, diffAnswer, rejectBody } from '../schemas/review.ts'
import type { runOut } from '../schemas/run.ts'
import type { stopAllAnswer, stopAllBody } from '../schemas/run-ending.ts'
import type { listEventsAnswer } from '../schemas/run-event.ts'
import type { explainAnswer } from '../schemas/run-explain.ts'
import type { continueAnswer, inputAnswer } from '../schemas/run-input.ts'
import type { messagesAnswer } from '../schemas/run-message.ts'
import type { createRunBody, forkBody, listRunsQuery, retryBody } from '../schemas/run-request.ts'
import type { runnersAnswer } from '../schemas/runner.ts'
import type { listTasksQuery, taskIn, taskOut } from '../schemas/task.ts'

/** `claude-code` -> `RUNNER_TYPE_CLAUDE_CODE`: how enums of the original's proto go out. */
type FullName<P extends string, V extends string> = V extends `${infer A}-${infer B}`
  ? FullName<P, `${A}_${B}`>
  : `${P}_${Uppercase<V>}`
type RunStatusName = FullName<'RUN_STATUS', InnerRunStatus>
type TaskStatusName = FullName<'TASK_STATUS', InnerTaskStatus>
type RunnerTypeName = FullName<'RUNNER_TYPE', RunnerType>
/** T with some members told more precisely. */
type With<T, M> = Omit<T, keyof M> & Readonly<M>

export type Out<S extends z.ZodType> = z.output<S>

type Durations = 'timeout' | 'idle_timeout' | 'interaction_timeout'
/** Members that only answers have, though requests may repeat them. */
type SetByService = 'id' | 'version' | 'status' | 'created_at' | 'updated_at' | 'archived_at'

/** How lists are paged is the client's own matter. */
type Paging = 'status' | 'runner_type' | 'page_size' | 'page_token' | 'offset' | 'limit'

type ReadFrom<I, O> = {
  [K in keyof I as unknown extends I[K] ? never : K]: I[K]
} & {
  [K in keyof I as unknown extends I[K] ? K : never]?: K extends Durations
    ? string | number | null
    : K extends keyof O
      ? O[K] | null
      : never
}
type Flat<T> = { [K in keyof T]: T[K] }

/** What a caller may send where the service reads it with this schema. */
type In<S extends z.ZodType> = Flat<ReadFrom<Omit<z.input<S>, SetByService>, z.output<S>>>

export type Profile = With<Out<typeof profileOut>, { runner_type: RunnerTypeName | null }>
/** The settings of a profile from one update to the next. */
export type ProfileVersion = With<
  Out<typeof versionAnswer>['version'],
  { runner_type: RunnerTypeName | null }
>
export interface ProfileFilter extends Omit<In<typeof listProfilesQuery>, Paging> {
  readonly runner_type?: RunnerType | RunnerTypeName | undefined
}
export type ProfileRequest = With<In<typeof profileIn>, { runner_type?: RunnerType | RunnerTypeName | null }>
export type EnsureProfileRequest = Omit<In<typeof ensureProfileBody>, 'defaults'> & {
  readonly defaults?: ProfileRequest | null
}
export type EnsuredProfile = With<Out<typeof ensureProfileAnswer>, { profile: Profile }>

export type Task = With<Out<typeof taskOut>, { status: TaskStatusName }>
export interface TaskFilter extends Omit<In<typeof listTasksQuery>, Paging> {
  readonly status?: InnerTaskStatus | TaskStatusName | undefined
}
export type TaskRequest = In<typeof taskIn>

export type Run = With<Out<typeof runOut>, { status: RunStatusName }>
export type RunStatus = Run['status']
export type CreateRunRequest = Omit<
  In<typeof createRunBody>,
  'inline_config' | 'profile_ref' | 'run_mode'
> & {
  readonly run_mode?: RunMode | null
  readonly inline_config?: Partial<ProfileRequest> | null
  readonly profile_ref?: { readonly profile_key: string; readonly defaults?: ProfileRequest | null } | null
}
export interface RunFilter extends Omit<In<typeof listRunsQuery>, Paging> {
  readonly status?: InnerRunStatus | RunStatusName | undefined
}

export type Interaction = Out<typeof interactionAnswer>['interaction']
export type AnswerRequest = Omit<In<typeof answerBody>, 'run_id'>
export type InputEntry = Out<typeof inputAnswer>['input']
export type Continued = With<Out<typeof continueAnswer>, { run: Run }>
export type RunDiff = Out<typeof diffAnswer>['diff']
export type DiffFile = RunDiff['files'][number]
export type ApproveRequest = Omit<In<typeof approveBody>, 'run_id'>
export type Approved = With<Out<typeof approveAnswer>, { run: Run }>
export type RejectRequest = Omit<In<typeof rejectBody>, 'run_id'>

type Envelope = Omit<Out<typeof listEventsAnswer>['events'][number], PayloadName>
/** One event: the envelope and exactly one payload member. */
export type RunEvent = {
  [N in PayloadName]: Envelope & { readonly [M in N]: EventPayloads[N] } & {
    readonly [M in Exclude<PayloadName, N>]?: never
  }
}[PayloadName]
/** Text on its way: shown while it is written, then told again as a whole by an event. */
export interface RunDelta {
  readonly run_id: string
  readonly delta: {
    readonly turn: number
    readonly message_id: string
    readonly kind: string
    readonly text: string
  }
}

export type RunEventPage = Omit<Out<typeof listEventsAnswer>, 'events'> & { readonly events: RunEvent[] }

/** One thing that was said, asked or done, in the order a person saw it. */
export type RunMessage = Out<typeof messagesAnswer>['messages'][number]
export type RunMessagePage = Out<typeof messagesAnswer>
export type Explanation = With<Out<typeof explainAnswer>, { status: RunStatusName }>
/** What a dry run says. */
export type PreFlight = Out<typeof dryRunAnswer>
export type Artifact = Out<typeof artifactsAnswer>['artifacts'][number]
export type StoppedRuns = Out<typeof stopAllAnswer>['result']
export type StopAllRequest = In<typeof stopAllBody>
export type RetryRequest = Omit<In<typeof retryBody>, 'run_id'>
export type ForkRequest = Omit<In<typeof forkBody>, 'run_id'>

export interface ProbeResult {
  readonly success: boolean
  readonly latency_ms: number
  readonly error: string | null
  readonly details: Readonly<Record<string, unknown>>
}

export type Runner = With<Out<typeof runnersAnswer>['runners'][number], { runner_type: RunnerTypeName }>
export type Health = Out<typeof protoHealthAnswer>
