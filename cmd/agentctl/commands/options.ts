/** Options and arguments that several commands share. */
import { InvalidArgumentError, Option } from 'commander'
import { UsageError } from '../exit.ts'

/** A whole number from `min` to `max`. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`)
  }

export const limitOption = () =>
  new Option('-n, --limit <number>', 'how many to show, newest first')
    .default(20)
    .argParser(wholeNumber(1, 1000))

export const actorOption = (user: string | undefined) =>
  new Option('--actor <name>', 'who decides: a name, or `Name <mail>`').default(user)

export const RUNNERS = ['claude-code', 'codex', 'opencode'] as const
export const MODES = ['ask', 'auto', 'read_only', 'bypass'] as const

/** `--set a=1`, repeated: values are JSON where they are JSON, else text. */
export function settings(pairs: readonly string[] | undefined): Record<string, unknown> {
  return Object.fromEntries((pairs ?? []).map(pairOf))
}

function pairOf(pair: string): readonly [string, unknown] {
  const at = pair.indexOf('=')
  if (at < 1) throw new UsageError(`--set ${pair}: write it as name=value, for example --set max_turns=50.`)
  const text = pair.slice(at + 1)
  try {
    return [pair.slice(0, at), JSON.parse(text)]
  } catch {
    return [pair.slice(0, at), text] // a plain word needs no quotes
  }
}

/** Options that may be repeated. */
export const collect = (value: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  value,
]
