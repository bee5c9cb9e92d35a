/** Text on its way into a page: everything is escaped, the little markup of our own descriptions is shown. */

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** Blank lines part paragraphs, backticks code. */
export const prose = (text: string): string =>
  text
    .split(/\n{2,}/)
    .map((paragraph) => `<p>${escapeHtml(paragraph).replace(/`([^`]*)`/g, '<code>$1</code>')}</p>`)
    .join('\n')
