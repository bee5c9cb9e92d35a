/**
 * What one reader was given, held against the log. Every event it was due must have come once, in order and with the
 * same content; what it was not due must not have come.
 */
import { crc32 } from 'node:zlib'
import type { Json } from '../client.ts'

/** The log of one run as it was in the end. */
export interface RunLog {
  /** By position: event 1 first. */
  readonly events: readonly { readonly sum: number; readonly type: string }[]
  /** When its creation began, and a time before it was last written to; of the same clock as the ledger's times. */
  readonly createdAt: number
  readonly writtenAt: number
  readonly isWanted: (wish: Wish) => boolean
}

export type Wish =
  | { readonly kind: 'run'; readonly runId: string }
  | { readonly kind: 'task'; readonly taskId: string }
  | { readonly kind: 'tag'; readonly prefix: string }
  | { readonly kind: 'all' }

interface Received {
  /** The first number it was due; null: it may begin anywhere. */
  readonly from: number | null
  readonly seqs: number[]
  readonly sums: number[]
}

const EVERYTHING = null

/** Content of an event, whatever way it came. */
export const sumOf = (event: Json): number => crc32(JSON.stringify(event))

export class Ledger {
  readonly #wish: Wish
  /** Types that were asked for; null: all. */
  readonly #types: readonly string[] | null
  readonly #runs = new Map<string, Received>()
  readonly #faults: string[] = []
  #subscribedAt = 0
  received = 0

  constructor(wish: Wish, types: readonly string[] | null = EVERYTHING) {
    this.#wish = wish
    this.#types = types
  }

  /** Where it stands: what a client sends when it comes back. */
  cursors(): Record<string, number> {
    return Object.fromEntries([...this.#runs].map(([runId, run]) => [runId, cursorOf(run)]))
  }

  cursor(runId: string): number {
    const run = this.#runs.get(runId)
    return run ? cursorOf(run) : 0
  }

  /** The service said where each run starts. */
  subscribed(starts: readonly { readonly runId: string; readonly from: number }[], now: number): void {
    this.#subscribedAt = now
    for (const { runId, from } of starts) {
      const known = this.#runs.get(runId)
      if (!known) this.#runs.set(runId, { from, seqs: [], sums: [] })
      else if (cursorOf(known) + 1 !== from)
        this.#fault(runId, `starts at ${from} and not behind ${cursorOf(known)}`)
    }
  }

  /** An event came. `createdAt`: of its run, where that is known. */
  event(runId: string, event: Json, createdAt: number | null): void {
    this.received += 1
    const run = this.#runs.get(runId) ?? this.#unannounced(runId, createdAt)
    run.seqs.push(Number(event['sequence']))
    run.sums.push(sumOf(event))
  }

  /** Whether everything has come that must. */
  isComplete(logs: ReadonlyMap<string, RunLog>): boolean {
    return [...logs].every(([runId, log]) => {
      const run = this.#runs.get(runId)
      if (!run) return !this.#mustKnow(log)
      const due = this.#due(run, log)
      return run.seqs.length >= due.length
    })
  }

  /** Everything that is wrong; empty: the reader saw the log. */
  violations(logs: ReadonlyMap<string, RunLog>): readonly string[] {
    const faults = [...this.#faults]
    for (const [runId, log] of logs) {
      const run = this.#runs.get(runId)
      if (!run) {
        if (this.#mustKnow(log)) faults.push(`run ${runId}: never told of`)
      } else if (!log.isWanted(this.#wish)) faults.push(`run ${runId}: not asked for`)
      else {
        const fault = difference(run, this.#due(run, log))
        if (fault) faults.push(`run ${runId}: ${fault}`)
      }
    }
    for (const runId of this.#runs.keys()) if (!logs.has(runId)) faults.push(`run ${runId}: not in the log`)
    return faults
  }

  /** A run that appears later starts at 1; one that had finished before begins where it is written to again. */
  #unannounced(runId: string, createdAt: number | null): Received {
    const isNew = createdAt !== null && createdAt > this.#subscribedAt
    const run: Received = { from: isNew ? 1 : null, seqs: [], sums: [] }
    this.#runs.set(runId, run)
    return run
  }

  /** It was subscribed while the run was written to; with a filter, while all that it wants was written. */
  #mustKnow(log: RunLog): boolean {
    if (!log.isWanted(this.#wish) || log.writtenAt <= this.#subscribedAt) return false
    if (this.#types === null) return true
    return log.createdAt > this.#subscribedAt && log.events.some(({ type }) => this.#types?.includes(type))
  }

  #due(run: Received, log: RunLog): { seq: number; sum: number }[] {
    const from = run.from ?? run.seqs[0] ?? Number.POSITIVE_INFINITY
    return log.events
      .map(({ sum, type }, index) => ({ seq: index + 1, sum, type }))
      .filter(({ seq, type }) => seq >= from && (this.#types === null || this.#types.includes(type)))
  }

  #fault(runId: string, what: string): void {
    this.#faults.push(`run ${runId}: ${what}`)
  }
}

const cursorOf = ({ from, seqs }: Received): number => seqs.at(-1) ?? Math.max(0, (from ?? 1) - 1)

/** The first thing that is wrong, in words. */
function difference({ seqs, sums }: Received, due: readonly { seq: number; sum: number }[]): string | null {
  for (const [index, expected] of due.entries()) {
    const seq = seqs[index]
    const before = seqs[index - 1] ?? 0
    if (seq === undefined) return `ends behind ${before}, the log goes on to ${due.at(-1)?.seq}`
    if (seq < expected.seq) return `repeat or reorder: ${seq} behind ${before}`
    if (seq > expected.seq) return `gap: ${seq} behind ${before}, ${expected.seq} is missing`
    if (sums[index] !== expected.sum) return `event ${seq} is not the one in the log`
  }
  return seqs.length > due.length ? `repeat: ${seqs[due.length]} behind ${seqs[due.length - 1]}` : null
}
