/** The logs as they are in the end, read the way an auditor reads them. */
import type { Json } from '../client.ts'
import { type RunLog, sumOf, type Wish } from './ledger.ts'

export interface KnownRun {
  readonly id: string
  readonly taskId: string
  readonly tag: string
  readonly createdAt: number
  readonly writtenAt: number
}

export async function readLogs(url: string, runs: readonly KnownRun[]): Promise<ReadonlyMap<string, RunLog>> {
  const logs = new Map<string, RunLog>()
  for (const run of runs) {
    const response = await fetch(`${url}/api/v1/runs/${run.id}/events.ndjson`)
    const text = await response.text()
    if (!response.ok) throw new Error(`the log of ${run.id} cannot be read: ${text}`)
    const events: Json[] = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
    const holes = events.findIndex((event, index) => event['sequence'] !== index + 1)
    if (holes !== -1) throw new Error(`the log of ${run.id} itself is not whole at ${holes + 1}`)
    logs.set(run.id, {
      events: events.map((event) => ({ sum: sumOf(event), type: String(event['event_type']) })),
      createdAt: run.createdAt,
      writtenAt: run.writtenAt,
      isWanted: (wish) => isWanted(wish, run),
    })
  }
  return logs
}

function isWanted(wish: Wish, run: KnownRun): boolean {
  switch (wish.kind) {
    case 'run':
      return run.id === wish.runId
    case 'task':
      return run.taskId === wish.taskId
    case 'tag':
      return run.tag.startsWith(wish.prefix)
    case 'all':
      return true
  }
}
