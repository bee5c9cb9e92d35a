/** Whether and how a turn that was cut goes on, and what the agent is then told. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { readEvents } from '../event/event-store.ts'
import type { Interaction } from '../interaction/interaction.ts'
import type { RunConfig } from '../run/run.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { Failure } from '../runner/port.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import { RunConfigSchema } from '../stored-json.ts'
import { failureOf } from './turn-end.ts'

type Row = Pick<ClaimedRow, 'config' | 'mode' | 'sandbox_id' | 'session_id'>

const configOf = (row: Pick<Row, 'config'>): RunConfig => RunConfigSchema.parse(JSON.parse(row.config))

/** Same sandbox, same session: only for a caller that knows the turn's agent to be dead. */
export function canGoOn(row: Row, registry: RunnerRegistry): boolean {
  const config = configOf(row)
  if (config.onLost !== 'resume' || row.session_id === null) return false
  if (row.mode === 'sandboxed' && row.sandbox_id === null) return false
  return registry.adapter(config.runnerType).capabilities.continuation
}

/** The profile wants a lost run to fail. */
export const lostFailure = (row: Pick<Row, 'config'>): Failure | null =>
  configOf(row).onLost === 'fail'
    ? failureOf('lease_lost', 'The service lost this run, and its profile says on_lost: fail.')
    : null

const MAX_ANSWERS = 20

/** What an agent is told whose turn was cut: where it is, and what was answered since. */
export function goOnPrompt(late: readonly Interaction[], told: string): string {
  const answers = late.slice(-MAX_ANSWERS).map(({ kind, toolName, detail, answer }) => {
    const said = kind === 'question' ? JSON.stringify(answer?.answers ?? {}) : answer?.decision
    return `- ${toolName ?? 'question'} (${detail}): ${said}${answer?.message ? `, "${answer.message}"` : ''}`
  })
  return [
    'You were interrupted by a restart of the service that runs you, not by a person. Look at what is already done',
    'and go on with the task where you stopped.',
    ...(answers.length === 0
      ? []
      : ['What you asked last was answered in the meantime; do it again:', ...answers]),
    // Its session may have been cut before it took this down.
    'This is what you were told, in case you have not heard it:',
    told,
  ].join('\n')
}

const MAX_REPLAY_BYTES = 64 * 1024
const PAGE = 1000
const MAX_PAGES = 20

/**
 * The conversation so far as text, for an agent that has no session to go on with: what it was told and what it
 * said, the newest 64 KiB. Empty when there was none.
 */
export async function replayOf(db: Kysely<Tables>, runId: string, beforeTurn: number): Promise<string> {
  let kept: string[] = []
  let after = 0
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const events = await readEvents(db, { runId, after, limit: PAGE, types: ['input', 'message'] })
    kept = newest([...kept, ...events.filter((e) => e.turn < beforeTurn).map((e) => lineOf(e.payloadText))])
    after = events.at(-1)?.seq ?? after
    if (events.length < PAGE) break
  }
  if (kept.length === 0) return ''
  return ['This is what was said before, in an earlier session of yours:', ...kept, 'Now:', ''].join('\n\n')
}

function lineOf(payloadText: string): string {
  const { input, message } = JSON.parse(payloadText)
  return input ? `[asked] ${input.content}` : `[${message.role}] ${message.content}`
}

function newest(lines: readonly string[]): string[] {
  let bytes = 0
  const from = lines.findLastIndex((line) => {
    bytes += Buffer.byteLength(line)
    return bytes > MAX_REPLAY_BYTES
  })
  return lines.slice(from + 1)
}
