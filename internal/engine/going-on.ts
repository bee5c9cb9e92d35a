/** Whether and how a turn that was cut goes on, and what the agent is then told. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import type { Interaction } from '../interaction/interaction.ts'
import type { RunConfig } from '../run/run.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { Failure } from '../runner/port.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import { RunConfigSchema } from '../stored-json.ts'
import type { TranscriptEntry } from '../transcript/transcript.ts'
import { readTranscript } from '../transcript/transcript-service.ts'
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
/** Runs that went off from one another, looked at backwards. */
const MAX_ANCESTORS = 10
/** Characters of what a tool was called with. */
const MAX_INPUT = 300

/**
 * The conversation so far as text, for an agent that has no session to go on with: what it was told, what it said
 * and did, the newest 64 KiB; that of the run it went off from comes first. Empty when there was none.
 */
export async function replayOf(db: Kysely<Tables>, runId: string, beforeTurn: number): Promise<string> {
  const kept = await linesBefore(db, runId, beforeTurn, MAX_ANCESTORS)
  if (kept.length === 0) return ''
  return ['This is what was said before, in an earlier session of yours:', ...kept, 'Now:', ''].join('\n\n')
}

async function linesBefore(
  db: Kysely<Tables>,
  runId: string,
  beforeTurn: number,
  ancestors: number,
): Promise<string[]> {
  const own = await db
    .selectFrom('runs')
    .select(['fork_of', 'fork_turn'])
    .where('id', '=', runId)
    .executeTakeFirst()
  const { fork_of: parent, fork_turn: turn } = own ?? { fork_of: null, fork_turn: null }
  const isOff = parent !== null && turn !== null && ancestors > 0
  let kept = isOff ? await linesBefore(db, parent, turn + 1, ancestors - 1) : []
  if (beforeTurn <= 1) return kept
  let after = 0
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const read = await readTranscript(db, runId, { afterSequence: after, limit: PAGE })
    const lines = read.entries.filter((entry) => entry.turn < beforeTurn).flatMap(lineOf)
    kept = newest([...kept, ...lines])
    after = read.nextAfter
    if (!read.hasMore || (read.entries.at(-1)?.turn ?? 0) >= beforeTurn) break
  }
  return kept
}

function lineOf(entry: TranscriptEntry): string[] {
  if (entry.kind === 'text') return [`[${entry.input ? 'asked' : entry.role}] ${entry.text}`]
  if (entry.kind !== 'tool_call') return []
  const { toolName, input, result } = entry
  const end = result === null ? 'no result' : result.success ? 'succeeded' : 'failed'
  const given = (JSON.stringify(input) ?? '').slice(0, MAX_INPUT).toWellFormed()
  return [`[did] ${toolName} ${given}: ${end}`]
}

function newest(lines: readonly string[]): string[] {
  let bytes = 0
  const from = lines.findLastIndex((line) => {
    bytes += Buffer.byteLength(line)
    return bytes > MAX_REPLAY_BYTES
  })
  return lines.slice(from + 1)
}
