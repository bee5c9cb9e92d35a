/** Landing a reviewed diff: exactly the expected files or nothing, and the same answer when asked twice. */
import { AppError } from '../../internal/errors.ts'
import type { ApplyResult, SandboxFile } from '../../internal/sandbox/port.ts'
import { type ApprovalAnswer, approvalAnswer } from './answers.ts'
import { type Calls, LONG_MS, readAnswer, readRefusal, refused, sandboxPath } from './calls.ts'
import type { Exchange, Reply } from './transport.ts'

interface Request {
  readonly actor: string
  readonly expected: readonly SandboxFile[]
}

export async function applyAll(calls: Calls, id: string, request: Request): Promise<ApplyResult> {
  const { expected } = request
  if ((await calls.state(id)) === 'approved') return { ok: true, applied: expected.length }
  const { files } = await calls.diff(id)
  const moved = differing(expected, files)
  if (moved.length > 0) {
    // The diff waited for an approval of ours that was still on its way: then nothing is left over, and all is well.
    if ((await calls.state(id)) === 'approved') return { ok: true, applied: expected.length }
    return conflict('the changes in the sandbox are not the reviewed ones any more', moved)
  }
  // The service takes an empty list of ids for all files, so nothing is asked when nothing is to land.
  if (expected.length === 0) return { ok: true, applied: 0 }
  const exchange: Exchange = {
    method: 'POST',
    path: sandboxPath(id, 'approve'),
    body: {
      mode: 'files',
      fileIds: expected.map((file) => file.id),
      overrideAcceptance: true,
      actor: request.actor,
      createCommit: false,
    },
    timeoutMs: LONG_MS,
  }
  const outcome = await calls.transport(exchange)
  if (outcome.kind === 'unreached') throw outcome.error
  // Without a whole answer only the sandbox knows; the caller may ask again, this function is idempotent.
  if (outcome.kind === 'lost') return landedOr(calls, id, expected.length, () => outcome.error)
  return readOutcome(calls, id, expected.length, exchange, outcome.reply)
}

async function readOutcome(
  calls: Calls,
  id: string,
  expected: number,
  exchange: Exchange,
  reply: Reply,
): Promise<ApplyResult> {
  if (reply.status === 409) return readConflict(calls, id, expected, exchange, reply)
  if (reply.status !== 200) return landedOr(calls, id, expected, () => refused(exchange, reply))
  const answer = readAnswer(exchange, reply, approvalAnswer)
  if (!answer.success) {
    return conflict(answer.error ?? 'the changes do not apply', answer.conflictInfo?.conflictingFiles ?? [])
  }
  if (answer.applied === expected && answer.isPartial !== true && !answer.remaining) {
    return { ok: true, applied: answer.applied }
  }
  // Zero of them: somebody (perhaps an earlier call of ours) landed all a moment ago. Else the count is wrong.
  if (answer.applied === 0) return landedOr(calls, id, expected, () => wrongCount(answer, expected))
  throw wrongCount(answer, expected)
}

/** 409 says either that the project moved on or that the sandbox is in a state without approval. */
async function readConflict(
  calls: Calls,
  id: string,
  expected: number,
  exchange: Exchange,
  reply: Reply,
): Promise<ApplyResult> {
  const error = refused(exchange, reply)
  const state = await calls.state(id)
  if (state === 'approved') return { ok: true, applied: expected }
  if (state !== 'active' && state !== 'stopped') throw error
  const { message, paths } = readRefusal(reply)
  return conflict(message, paths)
}

async function landedOr(
  calls: Calls,
  id: string,
  expected: number,
  error: () => AppError,
): Promise<ApplyResult> {
  if ((await calls.state(id)) === 'approved') return { ok: true, applied: expected }
  throw error()
}

const wrongCount = (answer: ApprovalAnswer, expected: number): AppError =>
  new AppError(
    'SANDBOX_OPERATION',
    `workspace-sandbox says it applied ${answer.applied} of ${expected} files with ${answer.remaining ?? 0} left over`,
  )

const conflict = (message: string, paths: readonly string[]): ApplyResult => ({
  ok: false,
  reason: 'conflict',
  message,
  paths,
})

/** Paths in only one of the lists, or with another id or kind of change. Sorted. */
function differing(expected: readonly SandboxFile[], present: readonly SandboxFile[]): string[] {
  const nameOf = (file: SandboxFile) => `${file.id} ${file.changeType} ${file.path}`
  const inBoth = new Set(expected.map(nameOf)).intersection(new Set(present.map(nameOf)))
  const odd = [...expected, ...present].filter((file) => !inBoth.has(nameOf(file)))
  return [...new Set(odd.map((file) => file.path))].toSorted()
}
