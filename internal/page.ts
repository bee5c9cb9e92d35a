/** Keyset pages: a page starts after the last row of the one before, so writes in between move nothing. */
export interface PageRequest {
  readonly size: number
  /** The last row of the page before, as `next` gave it. */
  readonly after: string | null
  readonly offset: number
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly total: number
  readonly totalExact: boolean
  /** null: this was the last page. */
  readonly next: string | null
}
