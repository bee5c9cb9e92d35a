/** Lists page by page, and all their items one by one. */

export interface Page<T> {
  readonly items: readonly T[]
  /** How many there are in all; an estimate where `totalExact` is false. */
  readonly total: number
  readonly totalExact: boolean
  /** null: this was the last page. */
  readonly nextPageToken: string | null
}

export interface PageOptions {
  /** Items of a page, 1 to 1000; default 100. */
  readonly pageSize?: number | undefined
  readonly pageToken?: string | undefined
}

/** What every list answers besides its items. */
export interface ListAnswer {
  readonly total: number
  readonly total_exact: boolean
  readonly next_page_token: string | null
}

export const pageOf = <T>(answer: ListAnswer, items: readonly T[]): Page<T> => ({
  items,
  total: answer.total,
  totalExact: answer.total_exact,
  nextPageToken: answer.next_page_token,
})

/** Every item of a list; the next page is asked for when the one before is used up. */
export async function* allOf<T>(
  read: (pageToken: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let token: string | undefined
  do {
    const page: Page<T> = await read(token)
    yield* page.items
    token = page.nextPageToken ?? undefined
  } while (token !== undefined)
}
