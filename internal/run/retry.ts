/** A finished run once more: the same task, the same pinned settings, a new run with a log of its own. */
import { createHash } from 'node:crypto'
import { v7 as uuid } from 'uuid'
import { AppError } from '../errors.ts'
import { storableText } from '../event/storable.ts'
import { resolveScope } from '../project-root.ts'
import { admit } from './admission.ts'
import { firstPrompt } from './input-store.ts'
import { isFinal, type Run } from './run.ts'
import type { PlanDeps } from './run-plan.ts'
import type { RunInsert } from './run-store.ts'

/**
 * What the new run is made of, admitted as if it were asked for today.
 * @throws STATE_TRANSITION_INVALID while the run is not finished; what admission finds
 */
export async function planRetry(
  run: Run,
  change: { readonly prompt: string | null; readonly tag: string | null },
  deps: PlanDeps & { readonly db: Parameters<typeof firstPrompt>[0] },
): Promise<RunInsert> {
  if (!isFinal(run.status)) {
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      `Run ${run.id} is ${run.status}: a run is repeated when it is finished. Stop it, or decide about it.`,
    )
  }
  const task = await deps.tasks.get(run.taskId)
  const { projectRoot } = await resolveScope(task, deps.projectRoots)
  await admit({ config: run.config, mode: run.mode, projectRoot }, deps.admission)
  const told = change.prompt === null ? await firstPrompt(deps.db, run.id) : change.prompt
  if (told === null) throw new Error(`run ${run.id} has no prompt`)
  const id = uuid()
  const { profileId, profileVersion } = run
  return {
    id,
    taskId: run.taskId,
    profile:
      profileId === null || profileVersion === null ? null : { id: profileId, version: profileVersion },
    // A run without a tag of its own is found by its id.
    tag: change.tag ?? (run.tag === run.id ? id : run.tag),
    mode: run.mode,
    config: run.config,
    sources: run.configSources,
    idempotencyKey: null,
    requestDigest: createHash('sha256')
      .update(JSON.stringify(['retry', run.id, change]))
      .digest('hex'),
    inputId: uuid(),
    prompt: storableText(told, deps.redactor),
    retryOf: run.id,
    // Where it began is part of what is repeated.
    forkOf: run.forkOf,
  }
}
