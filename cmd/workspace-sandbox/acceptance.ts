/** Which changed files the sandbox's behavior lets through without an override (section 2.2 of the contract). */
import { extname } from 'node:path'
import { matchesPathGlob } from './path-glob.ts'
import type { Behavior } from './row.ts'

type Rules = Behavior['acceptance']
type Criteria = Rules['allow']

export interface Acceptance {
  readonly status: 'accepted' | 'denied' | 'ignored' | 'binary_ignored'
  readonly reason?: string
}

/** @param path relative to the project root */
export function judge(rules: Rules, path: string, isBinary: boolean): Acceptance {
  if (rules.ignoreBinary === true && isBinary) return { status: 'binary_ignored', reason: 'binary file' }
  // An empty deny rule denies nothing. (The original lets it deny everything.)
  if (!isEmpty(rules.deny) && matches(rules.deny, path))
    return { status: 'denied', reason: 'matches a deny rule' }
  if (isEmpty(rules.allow) || matches(rules.allow, path)) return { status: 'accepted' }
  return { status: 'ignored', reason: 'matches no allow rule' }
}

const isEmpty = (criteria: Criteria): boolean => !criteria.pathGlobs?.length && !criteria.extensions?.length

function matches(criteria: Criteria, path: string): boolean {
  const globs = criteria.pathGlobs ?? []
  const extensions = (criteria.extensions ?? []).map((each) => `.${each.toLowerCase().replace(/^\./, '')}`)
  const byPath = globs.length === 0 || globs.some((glob) => matchesPathGlob(glob, path))
  return byPath && (extensions.length === 0 || extensions.includes(extname(path).toLowerCase()))
}
