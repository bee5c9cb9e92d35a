/** The CLI's stdin: lines of JSON, and requests that it answers by id. */
import { randomUUID } from 'node:crypto'
import type { Writable } from 'node:stream'
import { withDeadline } from '../../../internal/process/deadline.ts'
import type { ControlAnswer } from './wire.ts'

const WRITE_TIMEOUT_MS = 30_000
const ANSWER_TIMEOUT_MS = 20_000

export interface Channel {
  /** Resolves when the pipe took the line. Rejects when the CLI does not read any more. */
  send(line: object): Promise<void>
  /** Sends a control request and waits for its answer, at most 20 s. Rejects with the CLI's refusal. */
  ask(request: object): Promise<unknown>
  /** An answer came. */
  answered(answer: ControlAnswer): void
  /** No line follows. */
  end(): void
  /** Nobody waits for an answer any more. */
  close(): void
}

export function openChannel(stdin: Writable): Channel {
  const waiting = new Map<string, { resolve(value: unknown): void; reject(error: Error): void }>()
  stdin.on('error', () => undefined) // a CLI that ended is told by its exit; writers are told by their callback

  const write = (line: object): Promise<void> =>
    new Promise((resolve, reject) => {
      stdin.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(error) : resolve()))
    })
  const send = (line: object): Promise<void> =>
    withDeadline(write(line), WRITE_TIMEOUT_MS, 'writing to claude-code')

  return {
    send,
    async ask(request) {
      const id = randomUUID()
      const answer = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }))
      try {
        const sent = send({ type: 'control_request', request_id: id, request })
        const both = Promise.all([answer, sent]).then(([value]) => value)
        return await withDeadline(both, ANSWER_TIMEOUT_MS, 'an answer of claude-code')
      } finally {
        waiting.delete(id)
      }
    },
    answered({ response }) {
      const waiter = waiting.get(response.request_id)
      if (response.subtype === 'success') waiter?.resolve(response.response)
      else waiter?.reject(new Error(response.error ?? 'claude-code refused the request'))
    },
    end: () => void stdin.end(),
    close() {
      for (const waiter of waiting.values()) waiter.reject(new Error('the turn is over'))
    },
  }
}
