/** Long work in the background that stands back, between its steps, while somebody waits for something short. */
import { setImmediate as nextTurn } from 'node:timers/promises'

export interface GiveWay {
  /** Does the short work at once; who pauses waits for it. */
  first<T>(work: () => Promise<T>): Promise<T>
  /**
   * @param budgetMs how long one piece of long work stands back in all, so that it comes to its end
   * @returns to be called between steps; lets other events through in any case
   */
  pauses(budgetMs: number): () => Promise<void>
}

export function createGiveWay(): GiveWay {
  const short = new Set<Promise<unknown>>()
  return {
    first: async (work) => {
      const running = work()
      short.add(running)
      try {
        return await running
      } finally {
        short.delete(running)
      }
    },
    pauses: (budgetMs) => {
      let leftMs = budgetMs
      return async () => {
        await nextTurn()
        while (short.size > 0 && leftMs > 0) {
          const from = performance.now()
          await Promise.allSettled(short)
          leftMs -= performance.now() - from
        }
      }
    },
  }
}
