/** Text of agents and tools, made harmless: control characters could repaint or command a terminal. */

/** Line ends and tabs stay; other control characters, and those that turn text around, become visible. */
export const safe = (text: string): string =>
  text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    if (character === '\n' || character === '\t') return character
    if (character === '\r') return ''
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })

/** The first line, shortened. */
export function oneLine(text: string, length = 120): string {
  const line = safe(text).trim().split('\n')[0] ?? ''
  return line.length > length || safe(text).trim().includes('\n') ? `${line.slice(0, length - 1)}…` : line
}
