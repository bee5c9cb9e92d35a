/**
 * The watches over many runs of one connection, one for each selection. An event goes out once: of those that cover
 * a run the narrowest tells about it.
 */
import type { RunSelection } from '../../internal/event/run-selection.ts'
import type { WideWish } from './messages.ts'
import type { WideWatch } from './wide-watch.ts'

export class WideWatches {
  readonly #watches = new Map<string, WideWatch>()

  get size(): number {
    return this.#watches.size
  }

  has(is: (wish: WideWish) => boolean): boolean {
    return [...this.#watches.values()].some(({ wish }) => is(wish))
  }

  add(watch: WideWatch): void {
    this.#watches.set(keyOf(watch.wish.selection), watch)
  }

  delete(watch: WideWatch): void {
    const key = keyOf(watch.wish.selection)
    if (this.#watches.get(key) === watch) this.#watches.delete(key)
  }

  close(selection: RunSelection): void {
    const key = keyOf(selection)
    this.#watches.get(key)?.close()
    this.#watches.delete(key)
  }

  closeAll(): void {
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }

  /** Whether a narrower one than this covers the run. */
  hasNarrower(than: WideWatch, runId: string): boolean {
    const width = narrowness(than.wish.selection)
    return [...this.#watches.values()].some(
      (watch) => narrowness(watch.wish.selection) > width && watch.covers(runId),
    )
  }
}

function keyOf(selection: RunSelection): string {
  switch (selection.kind) {
    case 'all':
      return 'all'
    case 'task':
      return `task ${selection.taskId}`
    case 'tag':
      return `tag ${selection.prefix}`
  }
}

/** Two prefixes of the same length have no tag in common. */
function narrowness(selection: RunSelection): number {
  switch (selection.kind) {
    case 'all':
      return 0
    case 'tag':
      return selection.prefix.length
    case 'task':
      return Number.POSITIVE_INFINITY
  }
}
