/**
 * Replaces known secret values before anything is stored or logged: as they are, base64, percent-encoded and
 * JSON-escaped. Values under 8 characters are not taken: replacing them would tear words apart.
 */
const SHORTEST_SECRET = 8
const MASK = '***'

export interface Redactor {
  /** Registers a secret from now on. Returns false for a value too short to be replaced safely. */
  add(secret: string): boolean
  redact(text: string): string
}

export function createRedactor(): Redactor {
  const forms = new Set<string>()
  let pattern: RegExp | null = null

  return {
    add(secret) {
      if (secret.length < SHORTEST_SECRET) return false
      for (const form of formsOf(secret)) forms.add(form)
      // Longest first, so that a secret that holds another one is replaced whole.
      const alternatives = [...forms].sort((a, b) => b.length - a.length).map(escapeRegExp)
      pattern = new RegExp(alternatives.join('|'), 'g')
      return true
    },
    redact: (text) => (pattern === null ? text : text.replace(pattern, MASK)),
  }
}

function formsOf(secret: string): string[] {
  const escaped = JSON.stringify(secret).slice(1, -1)
  return [secret, escaped, encodeURIComponent(secret), ...base64Forms(secret)]
}

/** The part of the base64 text that does not depend on its neighbours, at each of the three byte offsets. */
function base64Forms(secret: string): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString('base64')
    const core = text
      .slice(offset === 0 ? 0 : offset + 1)
      .replace(/=+$/, '')
      .slice(0, -1)
    return core.length >= SHORTEST_SECRET ? [core] : []
  })
}

const escapeRegExp = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
