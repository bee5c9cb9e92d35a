/** Stays on in production: a broken invariant fails what it guards instead of going on with nonsense. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${what}`)
}
