/**
 * A wait that can be cut short. Racing every read against the same long-lived promises would leave a reaction
 * on each of them per event; here only the present wait is registered.
 */
export interface Interrupt<E> {
  /** Ends the present wait and all later ones; only the first call counts. */
  raise(ending: E): void
  /** What the promise gives, or the ending when that comes first. Rejects as the promise does. */
  wait<T>(promise: Promise<T>): Promise<{ readonly value: T } | { readonly ending: E }>
}

export function createInterrupt<E>(): Interrupt<E> {
  let raised: { readonly ending: E } | null = null
  let wake: (ending: { readonly ending: E }) => void = () => undefined
  return {
    raise(ending) {
      if (raised !== null) return
      raised = { ending }
      wake(raised)
    },
    async wait(promise) {
      if (raised !== null) {
        promise.catch(() => undefined) // nobody waits for it any more
        return raised
      }
      return new Promise((resolve, reject) => {
        wake = resolve
        promise.then((value) => resolve({ value }), reject)
      })
    },
  }
}
