/** The beginning of a list that is read page by page. */
export async function first<T>(count: number, items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) {
    found.push(item)
    if (found.length >= count) break
  }
  return found
}
