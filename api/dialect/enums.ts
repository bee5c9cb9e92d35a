/**
 * The enums of the original's proto. Out by full name (`RUN_STATUS_NEEDS_REVIEW`); in by full or short name in
 * any spelling (`needs_review`, `claude-code`, `CLAUDE_CODE`); `…_UNSPECIFIED` and "" mean unset.
 */
import { z } from 'zod'
import { APPROVAL_STATES, RUN_MODES, RUN_PHASES, RUN_STATUSES } from '../../internal/run/run.ts'
import { RUNNER_TYPES } from '../../internal/runner/port.ts'
import { TASK_STATUSES } from '../../internal/task/task.ts'

export const HEALTH_STATUSES = ['healthy', 'degraded', 'unhealthy'] as const

export interface ProtoEnum<V extends string> {
  readonly prefix: string
  readonly values: readonly V[]
}

export const RUN_STATUS = { prefix: 'RUN_STATUS', values: RUN_STATUSES } as const
export const RUN_PHASE = { prefix: 'RUN_PHASE', values: RUN_PHASES } as const
export const RUN_MODE = { prefix: 'RUN_MODE', values: RUN_MODES } as const
export const APPROVAL_STATE = { prefix: 'APPROVAL_STATE', values: APPROVAL_STATES } as const
export const TASK_STATUS = { prefix: 'TASK_STATUS', values: TASK_STATUSES } as const
export const RUNNER_TYPE = { prefix: 'RUNNER_TYPE', values: RUNNER_TYPES } as const
export const HEALTH_STATUS = { prefix: 'HEALTH_STATUS', values: HEALTH_STATUSES } as const

/** `claude-code` -> `CLAUDE_CODE`. */
const upperSnake = (value: string): string => value.replaceAll('-', '_').toUpperCase()

/** The full proto name of a value. */
export const protoName = <V extends string>(type: ProtoEnum<V>, value: NoInfer<V>): string =>
  `${type.prefix}_${upperSnake(value)}`

/** All full names. */
const protoNames = (type: ProtoEnum<string>): string[] => type.values.map((value) => protoName(type, value))

/** The value a caller meant, in any accepted spelling; null for unset; the text itself where nothing has that name. */
export function fromProto<V extends string>(type: ProtoEnum<V>, text: string): V | string | null {
  const name = upperSnake(text.trim())
  const short = name.startsWith(`${type.prefix}_`) ? name.slice(type.prefix.length + 1) : name
  if (short === '' || short === 'UNSPECIFIED') return null
  return type.values.find((value) => upperSnake(value) === short) ?? text
}

const anyName = <V extends string>(type: ProtoEnum<V>) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' ? fromProto(type, value) : value),
      z
        .enum(type.values, { error: `must be one of ${protoNames(type).join(', ')} or a short name` })
        .nullish(),
    )
    .transform((value) => value ?? null)

const described = (description: string): string => `${description} Short names are accepted too.`

/** A member that callers may send by any accepted name; unset is null. */
export const protoEnumIn = <V extends string>(type: ProtoEnum<V>, description: string) =>
  anyName(type).meta({
    description: described(description),
    type: ['string', 'null'],
    enum: [...protoNames(type), null],
    anyOf: undefined,
  })

/** The same in a query string, where nothing is null. */
export const protoEnumQuery = <V extends string>(type: ProtoEnum<V>, description: string) =>
  anyName(type).meta({
    description: described(description),
    type: 'string',
    enum: protoNames(type),
    anyOf: undefined,
  })

/** A member that we send by its full name. */
export const protoEnumOut = (type: ProtoEnum<string>, description: string) =>
  z.enum(protoNames(type)).meta({ description })
