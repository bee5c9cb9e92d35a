/**
 * Path globs of the contract: split on `/`, `**` spans any number of segments, every other segment is matched
 * shell-style on its own (`*`, `?`, `[a-z]`, `[^a-z]`, backslash escapes).
 */

/** Both are relative, with `/` between segments. */
export function matchesPathGlob(glob: string, path: string): boolean {
  return matchSegments(glob.split('/'), path.split('/'))
}

function matchSegments(glob: readonly string[], path: readonly string[]): boolean {
  // reachable[i]: the globs so far can have used up the first i segments.
  let reachable = new Set([0])
  for (const segment of glob) {
    const next = new Set<number>()
    for (const used of reachable) {
      if (segment === '**') for (let at = used; at <= path.length; at += 1) next.add(at)
      else if (used < path.length && matchesSegment(segment, path[used] ?? '')) next.add(used + 1)
    }
    reachable = next
  }
  return reachable.has(path.length)
}

/** @param pattern one segment; an unfinished class or escape matches nothing */
export function matchesSegment(pattern: string, text: string): boolean {
  const source = segmentSource(pattern)
  if (source === null) return false
  try {
    return new RegExp(`^${source}$`, 'su').test(text)
  } catch {
    return false // a class whose range runs backwards
  }
}

const TOKEN =
  /\\(?<escaped>.)|\[(?<negated>[!^]?)(?<members>\]?(?:\\.|[^\]\\])*)\]|(?<star>\*+)|(?<any>\?)|(?<plain>[^\\[*?])/gsu

function segmentSource(pattern: string): string | null {
  let source = ''
  let used = 0
  for (const token of pattern.matchAll(TOKEN)) {
    if (token.index !== used) return null
    used += token[0].length
    source += tokenSource(token.groups ?? {})
  }
  return used === pattern.length ? source : null
}

function tokenSource(token: Readonly<Record<string, string | undefined>>): string {
  if (token['star'] !== undefined) return '[^/]*'
  if (token['any'] !== undefined) return '[^/]'
  if (token['members'] !== undefined) return classSource(token['negated'] !== '', token['members'])
  return codePoint(token['escaped'] ?? token['plain'] ?? '')
}

/** Members are taken one by one, so that no character has a meaning but the dash between two. */
function classSource(negated: boolean, members: string): string {
  const safe = [...members.matchAll(/\\(?<escaped>.)|(?<dash>-)|(?<plain>.)/gsu)].map(({ groups }) =>
    groups?.['dash'] === undefined ? codePoint(groups?.['escaped'] ?? groups?.['plain'] ?? '') : '-',
  )
  return `[${negated ? '^' : ''}${safe.join('')}]`
}

const codePoint = (character: string): string => `\\u{${character.codePointAt(0)?.toString(16) ?? '0'}}`
