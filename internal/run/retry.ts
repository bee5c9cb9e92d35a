/** A finished run once more: the same task, the same pinned settings, a new run with a log of its own. */
import { AppError } from '../errors.ts'
import { storableText } from '../event/storable.ts'
import { invariant } from '../invariant.ts'
import { firstPrompt } from './input-store.ts'
import { isFinal, type Run } from './run.ts'
import { admitAgain, type CopyDeps, type RunCopy } from './run-copy.ts'

/** @throws STATE_TRANSITION_INVALID while the run is not finished; what admission finds */
export async function planRetry(
  run: Run,
  change: { readonly prompt: string | null; readonly tag: string | null },
  deps: CopyDeps,
): Promise<RunCopy> {
  if (!isFinal(run.status)) {
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      `Run ${run.id} is ${run.status}: a run is repeated when it is finished. Stop it, or decide about it.`,
    )
  }
  const task = await admitAgain(run, deps)
  const told = change.prompt ?? (await firstPrompt(deps.db, run.id))
  invariant(told !== null, 'a run was told something first')
  return {
    task,
    // A run without a tag of its own is found by its id.
    tag: change.tag ?? (run.tag === run.id ? null : run.tag),
    prompt: storableText(told, deps.redactor),
    retryOf: run.id,
    // Where it began is part of what is repeated.
    forkOf: run.forkOf,
  }
}
