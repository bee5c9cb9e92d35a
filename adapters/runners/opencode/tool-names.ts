/** opencode's names for tools and permissions in our words. */

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
