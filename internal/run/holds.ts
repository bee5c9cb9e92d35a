/**
 * What a run is made for and from must still stand when its row is written: admission looked at it a while ago. It
 * is held until the transaction ends, so whoever archives, cancels or deletes it sees the run or is seen by it.
 */
import type { Db } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import { checkUsable } from '../profile/profile-service.ts'
import { lockProfile } from '../profile/profile-store.ts'
import type { Task } from '../task/task.ts'
import { lockTask } from '../task/task-store.ts'

/** @throws NOT_FOUND_PROFILE, STATE_PROFILE_ARCHIVED */
export async function holdProfile(tx: Db, pinned: { readonly id: string } | null): Promise<void> {
  if (pinned === null) return
  const profile = await lockProfile(tx, pinned.id, 'use')
  if (!profile) throw new AppError('NOT_FOUND_PROFILE', `Profile ${pinned.id} was deleted meanwhile.`)
  checkUsable(profile)
}

/** @throws NOT_FOUND_TASK where the task was deleted */
export async function holdTask(tx: Db, id: string): Promise<Task> {
  const task = await lockTask(tx, id, 'use')
  if (!task) throw new AppError('NOT_FOUND_TASK', `Task ${id} was deleted meanwhile.`)
  return task
}

/** The task as it was admitted. @throws NOT_FOUND_TASK; STATE_TRANSITION_INVALID where it moved meanwhile */
export async function holdAdmitted(tx: Db, admitted: Task): Promise<void> {
  const task = await holdTask(tx, admitted.id)
  if (task.projectRoot === admitted.projectRoot && task.scopePath === admitted.scopePath) return
  throw new AppError('STATE_TRANSITION_INVALID', `Task ${task.id} was moved meanwhile. Try again.`)
}
