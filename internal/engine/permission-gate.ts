/**
 * What the agent may do without a person, by the run's permission mode. What would have to be asked takes the
 * default of the contract, deny with a message: durable interactions are not built yet (PRD.md).
 */
import type { PermissionDecision, PermissionMode, PermissionRequest } from '../runner/port.ts'

const ALLOW: PermissionDecision = { allow: true, message: '' }
const deny = (message: string): PermissionDecision => ({ allow: false, message })

export function decidePermission(mode: PermissionMode, request: PermissionRequest): PermissionDecision {
  switch (mode) {
    case 'bypass':
      return ALLOW
    case 'read_only':
      return deny(`This run may only read: ${request.toolName} is not allowed.`)
    case 'auto':
      return request.reach === 'inside' && request.toolName !== 'shell'
        ? ALLOW
        : deny(
            `Nobody is there to allow ${request.toolName} (${request.detail}). Stay inside the working folder.`,
          )
    case 'ask':
      return deny(`Nobody is there to allow ${request.toolName}. Go on without it.`)
  }
}
