/** The secrets of the service itself, found by name in its environment: none of them may reach the log. */
const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL/i

/** Every value that looks like a secret, those inside URLs and inline JSON settings included. */
export function secretsOf(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment).flatMap(([name, value]) => {
    if (!value) return []
    return [...(SECRET_NAME.test(name) ? [value] : []), ...passwordInUrl(value), ...secretsInJson(value)]
  })
}

/** By hand: a database URL with an empty host is no web URL. */
function passwordInUrl(value: string): string[] {
  const password = /^[a-z]+:\/\/[^:@/?#]*:([^@/?#]*)@/i.exec(value)?.[1]
  return password ? [password, decoded(password)] : []
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a bare percent sign: it stands for itself
  }
}

function secretsInJson(value: string): string[] {
  if (!value.startsWith('{')) return []
  try {
    return secretMembers(JSON.parse(value))
  } catch {
    return [] // not JSON after all
  }
}

function secretMembers(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) =>
    typeof member === 'string'
      ? SECRET_NAME.test(name) && !member.startsWith('{env:')
        ? [member]
        : []
      : secretMembers(member),
  )
}
