/** Lists in pages: what callers say about them, and what every page says besides its items. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { Page, PageRequest } from '../../internal/page.ts'
import { numberQuery } from '../dialect/fields.ts'
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.ts'

/** @param items what a page holds, for the description */
export const pageQuery = (items: string) => ({
  page_size: numberQuery(
    1,
    PAGE_SIZE_MAX,
    `${items} of a page, 1 to ${PAGE_SIZE_MAX}; default ${PAGE_SIZE_DEFAULT}.`,
  ),
  page_token: z.string().max(1024).optional().meta({ description: 'next_page_token of the page before.' }),
  limit: numberQuery(1, PAGE_SIZE_MAX, 'The same as page_size.'),
  offset: numberQuery(0, 1_000_000, `${items} to leave out at the start; prefer page_token.`),
})

type PageQuery = z.output<z.ZodObject<ReturnType<typeof pageQuery>>>

/** @throws VALIDATION_CONFLICT where two ways of saying it contradict each other */
export function pageFrom(query: PageQuery): PageRequest {
  const after = query.page_token || null
  if (after !== null && query.offset) {
    throw new AppError(
      'VALIDATION_CONFLICT',
      'page_token and offset exclude each other; send one of the two.',
    )
  }
  return {
    size: agreed(['page_size', query.page_size], ['limit', query.limit]) ?? PAGE_SIZE_DEFAULT,
    after,
    offset: query.offset ?? 0,
  }
}

/** The value of a parameter that has two names. */
export function agreed<T>([name, value]: Named<T>, [alias, other]: Named<T>): T | null {
  if (value !== undefined && other !== undefined && value !== other) {
    throw new AppError(
      'VALIDATION_CONFLICT',
      `${name} and ${alias} say different things; send one of the two.`,
    )
  }
  return value ?? other ?? null
}

type Named<T> = readonly [name: string, value: T | undefined]

/** The members of every page. */
export const pageOut = {
  total: z.int().meta({ description: 'All that match, on every page.' }),
  total_exact: z.boolean().meta({ description: 'false: total is an estimate; above 10 000 nobody counts.' }),
  next_page_token: z.string().nullable().meta({ description: 'null: this is the last page.' }),
}

export const pageView = (page: Page<unknown>) => ({
  total: page.total,
  total_exact: page.totalExact,
  next_page_token: page.next,
})
