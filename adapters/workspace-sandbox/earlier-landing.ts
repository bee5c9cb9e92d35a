/** Landings that are asked for when the sandbox was decided on before, by a cut call of ours or by somebody else. */
import { AppError } from '../../internal/errors.ts'
import type { ApplyResult } from '../../internal/sandbox/port.ts'
import type { SandboxAnswer } from './answers.ts'
import {
  type ApplyDeps,
  type ApplyRequest,
  contradicting,
  mismatch,
  openLanding,
  unable,
  whatLanded,
} from './landing.ts'
import { nameSome } from './project-path.ts'

/** An earlier call of ours, or somebody else. The real service says so after doing nothing, too. */
export async function approvedBefore(
  deps: ApplyDeps,
  seen: SandboxAnswer,
  request: ApplyRequest,
): Promise<ApplyResult> {
  const applied = request.expected.length
  if (deps.trusted) return { ok: true, applied }
  const landing = await openLanding(seen, request)
  const odd = contradicting(landing)
  if (odd.length > 0) {
    const detail = `the sandbox is approved, but its view is gone, so nobody can tell whether ${nameSome(odd)} landed`
    throw new AppError('SANDBOX_OPERATION', detail, { extra: { paths: odd } })
  }
  const { missing } = await whatLanded(landing)
  if (missing.length > 0) throw mismatch(missing)
  return { ok: true, applied }
}

/** Nothing can be read of it and nothing will land from it any more: this answer is final. */
export function vanished(deps: ApplyDeps, seen: SandboxAnswer | null, expected: number): ApplyResult {
  const approvedAt = seen?.approvedAt ?? null
  if (deps.trusted && approvedAt !== null) return { ok: true, applied: expected }
  return unable(
    approvedAt === null
      ? 'the sandbox was deleted before its changes landed'
      : `the sandbox was approved at ${approvedAt} and deleted since, so nobody can tell what landed: compare the reviewed diff with the project`,
    [],
  )
}

/** Nothing landed from a rejected one; one that broke may have broken while it was landing. */
export function dead(seen: SandboxAnswer): ApplyResult {
  const why = seen.errorMessage ? `${seen.status}: ${seen.errorMessage}` : seen.status
  if (seen.status === 'rejected') return unable(`the sandbox is ${why}, so its changes cannot land`, [])
  throw new AppError('SANDBOX_OPERATION', `nothing can be landed from a sandbox that is ${why}`)
}
