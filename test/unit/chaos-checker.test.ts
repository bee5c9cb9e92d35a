/** A checker that cannot fail proves nothing: each violation is planted and has to be found. */
import { expect, it } from 'vitest'
import { checkRun, type LogEvent, type RunHistory } from '../chaos/checker.ts'
import { lineOf } from '../chaos/scripted-agent.ts'

const script = { name: 's', lines: 3, delayMs: 0, nasty: 'none' } as const
const lines = [0, 1, 2].map((index) => lineOf('s', index))
const status = (old_status: string | null, new_status: string, reason: string | null = null) => ({
  status: { old_status, new_status, reason },
})
const said = (content: string) => ({ message: { role: 'assistant', content } })

const events: LogEvent[] = [
  status(null, 'pending'),
  status('pending', 'starting'),
  status('starting', 'running'),
  ...lines.map(said),
  said('s end'),
  status('running', 'needs_review'),
  status('needs_review', 'complete', 'approved'),
].map((payload, index) => ({
  sequence: index + 1,
  id: `e${index + 1}`,
  attempt: index < 2 ? 0 : 1,
  turn: 1,
  ...payload,
}))

const good: RunHistory = {
  id: 'r',
  script,
  status: 'complete',
  approvalState: 'approved',
  failureCode: null,
  events,
  connections: [events.slice(0, 4), events.slice(4)],
  trace: [
    { attempt: 1, ns: 0n },
    { attempt: 1, ns: 1_000_000_000n },
    { attempt: 2, ns: 1_100_000_000n },
  ],
  landed: `${lines.join('\n')}\n`,
  diff: ['--- /dev/null', '+++ b/s.txt', '@@ -0,0 +1,3 @@', ...lines.map((line) => `+${line}`)].join('\n'),
}
const without = (at: number) => events.filter((_, index) => index !== at)
const changed = (at: number, more: Partial<LogEvent>) =>
  events.map((event, index) => (index === at ? { ...event, ...more } : event))

it('finds nothing wrong with a good run', () => {
  expect(checkRun(good)).toEqual([])
})

it.each<[string, Partial<RunHistory>]>([
  ['a gap', { events: without(4) }],
  ['an event shown and lost', { connections: [[{ sequence: 4, id: 'other' }]] }],
  ['an event shown that is not there', { connections: [[{ sequence: 99, id: 'e99' }]] }],
  ['a repeat', { connections: [[events[3]!, events[3]!]] }],
  ['a hole in what was shown', { connections: [[events[3]!, events[5]!]] }],
  ['a stale attempt that writes', { events: changed(5, { attempt: 0 }) }],
  ['a line that is not of the script', { events: changed(4, said('s 1 xxxx')) }],
  ['a line said twice', { events: changed(4, said(lines[0]!)) }],
  ['a last line that is missing', { script: { ...script, lines: 4 } }],
  ['two closing events', { events: changed(8, status('needs_review', 'complete', null)) }],
  ['a jump of the status', { events: changed(1, status('starting', 'running')) }],
  ['a status its log does not know', { status: 'failed', failureCode: 'attempts_exhausted' }],
  ['a run without an end', { status: 'running', events: events.slice(0, 7) }],
  ['two agents at once', { trace: [...good.trace.slice(0, 2), { attempt: 2, ns: 500_000_000n }] }],
  ['an approval that did not land', { landed: null }],
  ['work landed twice', { landed: `${lines.join('\n')}\n${lines.join('\n')}\n` }],
  ['work of nobody’s approval', { approvalState: 'rejected' }],
  ['a diff of half the work', { diff: `+${lines[0]}` }],
  ['a failure nobody caused', { status: 'failed', approvalState: 'none', failureCode: 'internal' }],
  ['a success that should have failed', { script: { ...script, nasty: 'exit' } }],
])('finds %s', (_, planted) => {
  expect(checkRun({ ...good, ...planted })).not.toEqual([])
})
