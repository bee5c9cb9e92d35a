/** Paths and query strings. */

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>

/** A path whose values are encoded: no id can lead to another route. */
export const path = (strings: TemplateStringsArray, ...values: readonly string[]): string =>
  String.raw({ raw: strings }, ...values.map(segment))

/** "." and ".." would be resolved away, and an empty value would name the collection. */
function segment(value: string): string {
  if (value === '' || value === '.' || value === '..') {
    throw new TypeError(`${JSON.stringify(value)} is no id`)
  }
  return encodeURIComponent(value)
}

/** `?a=1&b=x,y`; what is null or undefined is left out. Empty where nothing is said. */
export function queryText(query: Query | undefined): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) => {
    if (value === null || value === undefined) return []
    return [`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`]
  })
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** The same address for WebSockets. */
export const socketUrl = (baseUrl: string): string => baseUrl.replace(/^http/, 'ws')
