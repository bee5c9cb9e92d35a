/** Asking the service to land, once, and finding out what became of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../internal/errors.ts'
import type { ApplyResult } from '../../internal/sandbox/port.ts'
import { type ApprovalAnswer, approvalAnswer } from './answers.ts'
import { type Calls, readAnswer, readRefusal, refused, sandboxPath } from './calls.ts'
import { conflict, type Landing, mismatch, partial, whatLanded } from './landing.ts'
import type { Exchange, Reply } from './transport.ts'

const POLL_MS = 250

/** Sent once, by the bare transport: without a whole answer the sandbox and the project are looked at instead. */
export async function sendApprove(calls: Calls, landing: Landing): Promise<ApplyResult> {
  const exchange: Exchange = {
    method: 'POST',
    path: sandboxPath(landing.box.id, 'approve'),
    body: {
      mode: 'files',
      fileIds: landing.expected.map((file) => file.id),
      overrideAcceptance: true,
      actor: landing.actor,
      createCommit: false,
    },
    timeoutMs: calls.limits.longMs,
  }
  const outcome = await calls.transport(exchange)
  if (outcome.kind === 'unreached') throw outcome.error
  if (outcome.kind === 'lost') {
    // The service works on to its end after its own cut: it is given time to get there.
    return inDoubt(calls, landing, calls.limits.settleMs, () => {
      throw outcome.error
    })
  }
  return readOutcome(calls, landing, exchange, outcome.reply)
}

async function readOutcome(
  calls: Calls,
  landing: Landing,
  exchange: Exchange,
  reply: Reply,
): Promise<ApplyResult> {
  const otherwise = (verdict: () => ApplyResult | Promise<ApplyResult>) => inDoubt(calls, landing, 0, verdict)
  if (reply.status === 409) return otherwise(() => readConflict(calls, landing, exchange, reply))
  if (reply.status !== 200) return otherwise(() => Promise.reject(refused(exchange, reply)))
  let answer: ApprovalAnswer
  try {
    answer = readAnswer(exchange, reply, approvalAnswer)
  } catch (error) {
    return otherwise(() => Promise.reject(error))
  }
  if (!answer.success) {
    const { error, conflictInfo } = answer
    return otherwise(() =>
      conflict(error ?? 'the changes do not apply', conflictInfo?.conflictingFiles ?? []),
    )
  }
  const expected = landing.expected.length
  if (answer.applied !== expected || answer.isPartial === true || answer.remaining) {
    return otherwise(() => Promise.reject(wrongCount(answer, expected)))
  }
  const { missing } = await whatLanded(landing)
  if (missing.length > 0) throw mismatch(missing)
  return { ok: true, applied: answer.applied }
}

/**
 * The project itself says whether the changes are there; only where nothing of them is does `verdict` speak.
 * @param waitMs how long to watch before that
 */
async function inDoubt(
  calls: Calls,
  landing: Landing,
  waitMs: number,
  verdict: () => ApplyResult | Promise<ApplyResult>,
): Promise<ApplyResult> {
  const deadline = performance.now() + waitMs
  for (;;) {
    // Unreachable just now: the project is looked at all the same.
    const state = await calls.state(landing.box.id).catch(() => null)
    const landed = await whatLanded(landing)
    if (landed.missing.length === 0) return { ok: true, applied: landing.expected.length }
    if (state === 'approved') throw mismatch(landed.missing)
    if (performance.now() >= deadline) {
      if (landed.arrived.length > 0) throw partial(landed)
      return verdict()
    }
    await sleep(POLL_MS)
  }
}

/** 409 says either that the project moved on or that the sandbox is in a state without approval. */
async function readConflict(
  calls: Calls,
  landing: Landing,
  exchange: Exchange,
  reply: Reply,
): Promise<ApplyResult> {
  const state = await calls.state(landing.box.id)
  if (state !== 'active' && state !== 'stopped') throw refused(exchange, reply)
  const { message, paths } = readRefusal(reply)
  return conflict(message, paths)
}

const wrongCount = (answer: ApprovalAnswer, expected: number): AppError =>
  new AppError(
    'SANDBOX_OPERATION',
    `workspace-sandbox says it applied ${answer.applied} of ${expected} files with ${answer.remaining ?? 0} left over`,
  )
