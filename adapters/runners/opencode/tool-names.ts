/** opencode's names for tools and permissions in our words, and our rules in its words. */
import { knownTool, type Tool } from '../../../internal/runner/tools.ts'

const OUR_NAMES: Readonly<Record<string, string>> = {
  bash: 'shell',
  grep: 'search',
  webfetch: 'web_fetch',
  websearch: 'web_search',
  multiedit: 'edit',
  patch: 'edit',
  apply_patch: 'edit',
}

/** Our name of a tool; unknown ones pass as they are. */
export const ourToolName = (name: string): string => OUR_NAMES[name] ?? name

/** Permissions whose grant reaches out of the sandbox. */
const OUTSIDE = ['external_directory', 'webfetch', 'websearch']

export const reachOf = (permission: string): 'inside' | 'outside' =>
  OUTSIDE.includes(permission) ? 'outside' : 'inside'

/** What each of our tools needs there; what writes has one permission in common. */
const PERMISSION_OF: Readonly<Record<Tool, string>> = {
  read: 'read',
  write: 'edit',
  edit: 'edit',
  shell: 'bash',
  search: 'grep',
  glob: 'glob',
  list: 'list',
  web_fetch: 'webfetch',
  web_search: 'websearch',
  task: 'task',
}

/** Tools of its own (1.18.x) that a rule may name as they stand. */
const NATIVE = ['codesearch', 'lsp', 'question', 'skill', 'todoread', 'todowrite']

/** The permission that a rule is about; null: opencode cannot be held to it. */
export function permissionOf(rule: string): string | null {
  const tool = knownTool(rule)
  if (tool !== null) return PERMISSION_OF[tool]
  return NATIVE.includes(rule) ? rule : null
}

/** The rules that opencode has no words for. */
export const unknownTools = (rules: readonly string[]): string[] =>
  rules.filter((rule) => permissionOf(rule) === null)
