/** Asks the CLI to end, in the words it has for it. It is never waited for a task in the background. */
import type { ExitStatus } from '../../../internal/launcher/port.ts'
import { createInterrupt, type Interrupt } from '../../../internal/process/interrupt.ts'
import { CUT } from '../../../internal/runner/port.ts'
import { mapLine } from './map-line.ts'
import { type Ending, handle, readNext, type Turn } from './steps.ts'

/** After an interrupt, until the result that says so. */
const INTERRUPT_WAIT_MS = 5_000
/** After the last line to it, until it is gone. */
const EXIT_WAIT_MS = 3_000

/** What is left afterwards is ended by force. @returns how it ended by itself; null: it did not */
export async function endProcess(turn: Turn, ending: Ending): Promise<ExitStatus | null> {
  const { channel } = turn
  // Its session must not remember an end: it goes on where it is.
  if (turn.request.signal.reason === CUT) {
    channel.close()
    return null
  }
  try {
    if (ending.kind === 'stopped' || ending.kind === 'failed') {
      // Whether it answers shows in what it prints next.
      channel.ask({ subtype: 'interrupt', cancel_queued: true }).catch(() => undefined)
      if (turn.view.isReady && turn.unanswered.size > 0) await readOn(turn, INTERRUPT_WAIT_MS, 'result')
    }
    channel.ask({ subtype: 'end_session' }).catch(() => undefined)
    channel.end()
    return await readOn(turn, EXIT_WAIT_MS, 'exit')
  } finally {
    channel.close()
  }
}

/** Reads on, so that the log has the end of what was running and the CLI is not held by a full pipe. */
async function readOn(turn: Turn, ms: number, until: 'result' | 'exit'): Promise<ExitStatus | null> {
  const late = createInterrupt<'late'>()
  const timer = setTimeout(() => late.raise('late'), ms)
  try {
    if (await sawItsEnd(turn, late, until)) {
      const exited = await late.wait(turn.process.exited)
      return 'value' in exited ? exited.value : null
    }
    return null
  } finally {
    clearTimeout(timer)
  }
}

/** False: time is over, or the result has come that was waited for. */
async function sawItsEnd(turn: Turn, late: Interrupt<'late'>, until: 'result' | 'exit'): Promise<boolean> {
  for (;;) {
    const next = await readNext(turn, late)
    if ('ending' in next) return false
    if (next.value === null) return true
    for (const signal of mapLine(turn.view, next.value.text, next.value.truncated, Date.now())) {
      if (signal.kind === 'asked') continue // it is told by the interrupt, or by the end of its input
      const ending = await handle(turn, signal)
      if (until === 'result' && ending?.kind === 'result') return false
    }
  }
}
