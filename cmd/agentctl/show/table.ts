/** Columns that line up. */
import { stripVTControlCharacters } from 'node:util'

/** Rows under their titles, two spaces between columns; the last column may be cut to fit. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): string {
  const all = [titles, ...rows]
  const widths = titles.map((_, index) => Math.max(...all.map((row) => width(row[index] ?? ''))))
  const lines = all.map((row) =>
    row
      .map((cell, index) =>
        index === row.length - 1 ? cell : cell + ' '.repeat((widths[index] ?? 0) - width(cell)),
      )
      .join('  ')
      .trimEnd(),
  )
  return lines.map((line) => cut(line, columns)).join('\n')
}

const width = (text: string): number => stripVTControlCharacters(text).length

/** Cuts plain lines only: a cut in the middle of a colour would paint the rest of the terminal. */
export const cut = (text: string, columns: number): string =>
  text.length <= columns || text !== stripVTControlCharacters(text) ? text : `${text.slice(0, columns - 1)}…`

/** Names and values, one a line. */
export function facts(pairs: readonly (readonly [string, string | null])[]): string {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null && pair[1] !== '')
  const longest = Math.max(...known.map(([name]) => name.length))
  return known.map(([name, value]) => `${name.padEnd(longest)}  ${value}`).join('\n')
}
