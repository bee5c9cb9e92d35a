/** Durations as people write them. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g

/** `"90s"`, `"1h30m"`, `"1.5s"` in milliseconds; null for anything else. */
export function parseDuration(text: string): number | null {
  if (!WHOLE.test(text)) return null
  let total = 0
  for (const [, amount, unit] of text.matchAll(PART)) total += Number(amount) * (UNITS[unit ?? ''] ?? 0)
  return Math.round(total)
}

/** Milliseconds as the wire says them: seconds, `"1800s"` or `"1.5s"`. */
export const formatDuration = (ms: number): string => `${ms / 1000}s`
