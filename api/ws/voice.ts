/** What a WebSocket session says about an event: the event, its status and progress, and what it makes of its task. */
import type { StoredEvent } from '../../internal/event/event.ts'
import type { TaskStatus } from '../../internal/task/task.ts'
import type { ApiDeps } from '../deps.ts'
import type { RunVoice } from '../streams/run-watch.ts'
import { deltaFrame, projectionFrame, runEventFrame, subscribedFrame, taskStatusFrame } from './frames.ts'

/** Tasks whose last told status a session remembers; one that was forgotten is told once more. */
const MAX_TASKS = 10_000

/** One for each session: a task's status is told when it changes, whichever watch finds out. */
export function sessionVoice(events: Pick<ApiDeps['events'], 'taskStatus'>): RunVoice {
  const told = new Map<string, TaskStatus>()

  async function withTaskStatus(event: StoredEvent, frames: readonly string[]): Promise<readonly string[]> {
    const task = await events.taskStatus(event)
    if (task === null || told.get(task.taskId) === task.status) return frames
    told.delete(task.taskId)
    told.set(task.taskId, task.status)
    const [oldest] = told.keys()
    if (told.size > MAX_TASKS && oldest !== undefined) told.delete(oldest)
    return [...frames, taskStatusFrame(event, task)]
  }

  return {
    subscribed: subscribedFrame,
    delta: deltaFrame,
    event: (event, wanted) => {
      const projection = projectionFrame(event)
      const frames = wanted ? [runEventFrame(event)] : []
      if (projection !== null) frames.push(projection)
      // Status and progress are told whatever the filter says.
      return event.name === 'status' ? withTaskStatus(event, frames) : frames
    },
  }
}
