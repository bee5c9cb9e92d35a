/**
 * Names of tools as profiles and events say them, whatever the runner calls them. A rule is a name, or a name of
 * the runner's own with an argument, as `Bash(git log:*)`.
 */

export const TOOLS = [
  'read',
  'write',
  'edit',
  'shell',
  'search',
  'glob',
  'list',
  'web_fetch',
  'web_search',
  'task',
] as const
export type Tool = (typeof TOOLS)[number]

const ALIASES: Readonly<Record<string, Tool>> = {
  read: 'read',
  write: 'write',
  edit: 'edit',
  multiedit: 'edit',
  notebookedit: 'edit',
  bash: 'shell',
  shell: 'shell',
  grep: 'search',
  search: 'search',
  glob: 'glob',
  ls: 'list',
  list: 'list',
  webfetch: 'web_fetch',
  web_fetch: 'web_fetch',
  websearch: 'web_search',
  web_search: 'web_search',
  task: 'task',
  agent: 'task',
}

/** Our name of a tool, in any spelling that profiles use; null: not one of ours. */
export function knownTool(name: string): Tool | null {
  const key = name.toLowerCase()
  return Object.hasOwn(ALIASES, key) ? (ALIASES[key] ?? null) : null
}

/**
 * Whether a rule speaks of a tool as a whole. Rules with an argument do not: only their runner can read them.
 * `mcp:<server>` covers every tool of that server.
 * @param tool our name, `mcp:<server>:<tool>`, or the runner's own name
 */
export function coversTool(rule: string, tool: string): boolean {
  if (rule === tool) return true
  if (rule.startsWith('mcp:')) return tool.startsWith(`${rule}:`)
  const known = knownTool(rule)
  return known !== null && known === (knownTool(tool) ?? tool)
}
