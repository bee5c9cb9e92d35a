/**
 * The levers of this build, each with its bounds. Every one is enforced somewhere, but for the path of the CLI whose
 * adapter is not built yet (codex): it is taken so that an operator's settings need not change.
 */
import { delimiter } from 'node:path'
import { z } from 'zod'
import { parseDuration } from './duration.ts'

const duration = (min: string, max: string) =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text)
    const [low, high] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0]
    if (ms !== null && ms >= low && ms <= high) return ms
    context.addIssue({
      code: 'custom',
      message: `give a duration from ${min} to ${max}, for example 90s or 1h30m`,
    })
    return z.NEVER
  })

const integer = (min: number, max: number) =>
  z.string().transform((text, context) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    context.addIssue({ code: 'custom', message: `give a whole number from ${min} to ${max}` })
    return z.NEVER
  })

const truth = z.enum(['true', 'false'], { error: 'give true or false' }).transform((text) => text === 'true')

const roots = z.string().transform((text, context) => {
  const list = text.split(delimiter).filter((part) => part !== '')
  if (list.every((root) => root.startsWith('/'))) return list
  context.addIssue({ code: 'custom', message: 'give absolute folders, separated by colons' })
  return z.NEVER
})

const text = z.string().min(1, { error: 'give a value or leave it out' })

/** Lever (without AGENT_MANAGER_) -> how it is read and what it is when nobody says. */
export const LEVERS = {
  EXECUTION_DEFAULT_TIMEOUT: { schema: duration('1m', '24h'), standard: '30m' },
  EXECUTION_DEFAULT_MAX_TURNS: { schema: integer(1, 1000), standard: '100' },
  EXECUTION_LEASE_TTL: { schema: duration('2s', '10m'), standard: '60s' },
  EXECUTION_PARK_AFTER: { schema: duration('1s', '24h'), standard: '15m' },
  SAFETY_REQUIRE_SANDBOX: { schema: truth, standard: 'true' },
  SAFETY_ALLOW_IN_PLACE_OVERRIDE: { schema: truth, standard: 'true' },
  SAFETY_PROJECT_ROOTS: { schema: roots, standard: '' },
  CONCURRENCY_MAX_CONCURRENT_RUNS: { schema: integer(1, 100), standard: '10' },
  APPROVAL_REQUIRE_APPROVAL: { schema: truth, standard: 'true' },
  RUNNERS_CLAUDE_CODE_PATH: { schema: text, standard: 'claude' },
  RUNNERS_CODEX_PATH: { schema: text, standard: 'codex' },
  RUNNERS_OPENCODE_PATH: { schema: text, standard: 'opencode' },
  SERVER_MAX_REQUEST_BODY_BYTES: {
    schema: integer(1024, 100 * 1024 * 1024),
    standard: String(10 * 1024 * 1024),
  },
  SERVER_MAX_CONCURRENT_REQUESTS: { schema: integer(10, 100_000), standard: '1000' },
  /** Requests a second; 0: no limit. */
  SERVER_RATE_LIMIT: { schema: integer(0, 1_000_000), standard: '1000' },
  SERVER_RATE_LIMIT_PER_ADDRESS: { schema: integer(0, 1_000_000), standard: '2000' },
  SERVER_RATE_LIMIT_EXPENSIVE: { schema: integer(0, 1_000_000), standard: '100' },
  SERVER_LOG_LEVEL: {
    schema: z.enum(['debug', 'info', 'warn', 'error'], { error: 'give debug, info, warn or error' }),
    standard: 'info',
  },
  STORAGE_MAX_OPEN_CONNS: { schema: integer(2, 200), standard: '20' },
} as const

export type LeverName = keyof typeof LEVERS
export type Levers = { readonly [N in LeverName]: z.output<(typeof LEVERS)[N]['schema']> }
