/** Who a commit is by and what it says: pure. */
const MAIL_DOMAIN = 'agent-manager.local'
const NAME_AND_MAIL = /^[^<>\n]{1,200} <[^<>\s]{1,200}>$/

/** `Name <mail>` as given; a bare name gets our mail; nobody is the service itself. */
export function commitAuthor(actor: string | null): string {
  const given = actor?.replaceAll(/[\n\r\0]/g, ' ').trim() ?? ''
  if (given === '') return `agent-manager <noreply@${MAIL_DOMAIN}>`
  if (NAME_AND_MAIL.test(given)) return given
  const name = given.replaceAll(/[<>]/g, '').trim() || 'agent-manager'
  const mailbox =
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, '-')
      .replaceAll(/^[-.]+|[-.]+$/g, '') || 'actor'
  return `${name} <${mailbox}@${MAIL_DOMAIN}>`
}

/** The message with the trailers that lead back to the run. */
export function commitMessage(facts: {
  readonly message: string | null
  readonly taskTitle: string
  readonly runId: string
  readonly taskId: string
  readonly approver: string
}): string {
  const text = (facts.message?.trim() || facts.taskTitle).replaceAll('\0', '')
  const trailers = [
    `Agent-Manager-Run: ${facts.runId}`,
    `Agent-Manager-Task: ${facts.taskId}`,
    `Approved-by: ${facts.approver.replaceAll(/\s+/g, ' ')}`,
  ]
  return `${text}\n\n${trailers.join('\n')}\n`
}
