/** A piece of a conversation, for the eye. */
import type { RunMessage } from '../../../api/client/index.ts'
import type { Paint } from '../terminal.ts'
import { about } from './run-picture.ts'
import { oneLine, safe } from './safe.ts'

export function messageText(message: RunMessage, paint: Paint): string {
  const { role, kind, tool_call: call, interaction } = message
  if (call !== null) return callText(call, paint)
  if (interaction !== null) return interactionText(interaction, paint)
  const text = safe(message.text ?? '')
  if (kind === 'thinking') return paint('dim', text)
  return role === 'user' ? `${paint('bold', '>')} ${text}` : text
}

function callText({ tool_name: tool, input, result }: NonNullable<RunMessage['tool_call']>, paint: Paint) {
  const end = result?.success === false ? paint('red', ` failed: ${oneLine(result.error ?? '')}`) : ''
  return `${paint('cyan', tool)} ${paint('dim', oneLine(about(input)))}${end}`
}

function interactionText(asked: NonNullable<RunMessage['interaction']>, paint: Paint): string {
  const { tool_name: tool, detail, status, decision, decided_by: by } = asked
  const who = by === null ? '' : ` by ${safe(by)}`
  return paint('yellow', `? ${tool ?? 'a question'} ${oneLine(detail ?? '')}: ${decision ?? status}${who}`)
}
