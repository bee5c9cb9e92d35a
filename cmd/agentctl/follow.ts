/** Watching one run from the terminal until its turn ends. Leaving does not end the run. */
import process from 'node:process'
import { isDelta, type Run, type RunDelta, type RunEvent } from '../../api/client/index.ts'
import { answerPending } from './answer.ts'
import { Failed, Interrupted } from './exit.ts'
import type { Session } from './session.ts'
import { RunPicture } from './show/run-picture.ts'
import { nextStep } from './show/run-view.ts'
import { plural } from './show/words.ts'

export interface FollowOptions {
  /** Only events above this number. */
  readonly after: number
  /** The person at the terminal answers what the agent asks. */
  readonly answer: boolean
}

/** Throws Interrupted on Ctrl-C, Failed where the run failed or was cancelled. */
export async function follow(session: Session, runId: string, options: FollowOptions): Promise<Run> {
  const { client, terminal } = session
  const cursor = { after: options.after }
  const abort = new AbortController()
  const leave = () => abort.abort(new Interrupted(comeBack(runId, cursor.after)))
  process.once('SIGINT', leave)
  try {
    await show(session, runId, options, cursor, abort.signal)
  } catch (error) {
    // Whoever broke a question off leaves the run going as well.
    throw error instanceof Interrupted ? new Interrupted(comeBack(runId, cursor.after)) : error
  } finally {
    process.removeListener('SIGINT', leave)
  }
  const run = await client.runs.get(runId)
  const next = nextStep(run)
  if (next !== null) terminal.note(next)
  if (run.status === 'RUN_STATUS_FAILED' || run.status === 'RUN_STATUS_CANCELLED') {
    throw new Failed(run.failure?.message ?? `the run was cancelled`)
  }
  return run
}

const comeBack = (runId: string, after: number): string =>
  `The run goes on. Come back with: agentctl run watch ${runId} --after ${after}`

async function show(
  session: Session,
  runId: string,
  options: FollowOptions,
  cursor: { after: number },
  signal: AbortSignal,
): Promise<void> {
  const { client, terminal } = session
  const picture = new RunPicture(terminal.paint)
  const asks = options.answer && terminal.canAsk
  const items: AsyncIterable<RunEvent | RunDelta> = client.runs.watch(runId, {
    after: options.after,
    until: 'turn_end',
    deltas: terminal.isSeen,
    signal,
  })
  for await (const item of items) {
    terminal.line(item)
    if (isDelta(item)) {
      terminal.write(picture.delta(item))
      continue
    }
    cursor.after = item.sequence
    terminal.write(picture.event(item))
    if (item.interaction?.status !== 'pending') continue
    terminal.write(picture.end())
    // While a person thinks nothing is read: the watch gives the subscription up and comes back.
    if (asks) await answerPending(session, runId)
    else await tellHow(session, runId)
  }
  terminal.write(picture.end())
}

async function tellHow({ client, terminal }: Session, runId: string): Promise<void> {
  if (terminal.json) return
  const open = await client.interactions.pending(runId)
  if (open.length > 0) {
    terminal.note(`${plural(open.length, 'question')} open. Answer with: agentctl run answer ${runId}`)
  }
}
