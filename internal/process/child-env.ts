/** Environments of child processes are built from nothing: only what is named passes. */

export type Environment = Readonly<Record<string, string | undefined>>

/** The named variables that are set and not empty. */
export function pickEnvironment(source: Environment, names: Iterable<string>): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of names) {
    const value = source[name]
    if (value !== undefined && value !== '') picked[name] = value
  }
  return picked
}
