/** What a run hands on to one that is made from it: the same task, the same pinned settings, admitted anew. */
import { createHash } from 'node:crypto'
import { v7 as uuid } from 'uuid'
import type { Db } from '../db/tables.ts'
import { resolveScope } from '../project-root.ts'
import type { Task } from '../task/task.ts'
import { admit } from './admission.ts'
import type { Run } from './run.ts'
import type { PlanDeps } from './run-plan.ts'
import type { RunInsert } from './run-store.ts'

export type CopyDeps = PlanDeps & { readonly db: Db }

export interface RunCopy {
  /** As it was admitted. */
  readonly task: Task
  /** Null: the new run's id. */
  readonly tag: string | null
  readonly prompt: string
  readonly retryOf: string | null
  readonly forkOf: Run['forkOf']
}

/** The task as it is now; the settings of then must still be allowed and possible. @throws what admission finds */
export async function admitAgain(run: Run, deps: PlanDeps): Promise<Task> {
  const task = await deps.tasks.get(run.taskId)
  const { projectRoot } = await resolveScope(task, deps.projectRoots)
  await admit({ config: run.config, mode: run.mode, projectRoot }, deps.admission)
  return task
}

/** The row of the new run. */
export function copyOf(run: Run, id: string, copy: RunCopy): RunInsert {
  const { profileId, profileVersion } = run
  const { tag, prompt, retryOf, forkOf } = copy
  return {
    id,
    taskId: run.taskId,
    profile:
      profileId === null || profileVersion === null ? null : { id: profileId, version: profileVersion },
    tag: tag ?? id,
    mode: run.mode,
    config: run.config,
    sources: run.configSources,
    idempotencyKey: null,
    requestDigest: createHash('sha256')
      .update(JSON.stringify([tag, prompt, retryOf, forkOf]))
      .digest('hex'),
    inputId: uuid(),
    prompt,
    retryOf,
    forkOf,
  }
}
