/**
 * The view of a sandbox, made visible again. Stop and start bring a vanished mount back with all changes in it;
 * on the copy driver start would copy the project over the changes, so there neither is ever asked for.
 */
import { AppError } from '../../internal/errors.ts'
import { type SandboxAnswer, sandboxAnswer } from './answers.ts'
import { type Calls, sandboxPath } from './calls.ts'

/** Whether what the agent wrote outlives a start. An unknown driver is taken for the worst. */
export const survivesStart = (answer: SandboxAnswer): boolean =>
  typeof answer.driver === 'string' && answer.driver !== 'copy'

/**
 * @param answer an active or a stopped sandbox, as read by `look`
 * @returns it with its view in place; a stopped one of the copy driver as it is: its folder stays
 * @throws AppError SANDBOX_OPERATION when the view is gone for good
 */
export async function withView(calls: Calls, answer: SandboxAnswer): Promise<SandboxAnswer> {
  const isBroken = answer.mountHealth?.healthy === false
  if (answer.status === 'active' && !isBroken) return answer
  if (!survivesStart(answer)) {
    if (answer.status === 'stopped') return answer
    throw broken(answer)
  }
  if (answer.status === 'active') await ask(calls, answer.id, 'stop')
  return started(calls, answer.id)
}

/** @throws AppError unless the sandbox is active and its view is there afterwards */
export async function started(calls: Calls, id: string): Promise<SandboxAnswer> {
  await ask(calls, id, 'start')
  const now = await calls.look(id)
  if (now?.status === 'active' && now.mountHealth?.healthy !== false) return now
  throw now === null ? new AppError('SANDBOX_OPERATION', `sandbox ${id} is gone`) : broken(now)
}

const ask = (calls: Calls, id: string, operation: 'start' | 'stop'): Promise<SandboxAnswer> =>
  calls.json(
    {
      method: 'POST',
      path: sandboxPath(id, operation),
      timeoutMs: calls.limits.shortMs,
    },
    200,
    sandboxAnswer,
  )

const broken = (answer: SandboxAnswer): AppError =>
  new AppError(
    'SANDBOX_OPERATION',
    `the view of sandbox ${answer.id} (${answer.status}, driver ${answer.driver ?? 'unknown'}) is gone: ${answer.mountHealth?.error ?? 'no reason given'}`,
  )
