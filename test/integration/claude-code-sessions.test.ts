import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { v7 as uuid } from 'uuid'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Steer } from '../../internal/runner/port.ts'
import { killCli, openTheatre, prepareStage, type Stage } from '../support/claude-turn.ts'
import { marked, until } from '../support/marked-processes.ts'
import { payloadsOf } from '../support/played-turn.ts'

const DEADLINE = { timeout: 60_000 }
const INSTALL_DEADLINE_MS = 310_000

type Handler = (steer: Steer) => Promise<void>

describe('a turn of claude-code', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await prepareStage()
  }, INSTALL_DEADLINE_MS)

  it('stops in the middle of a long command and leaves no process', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'long',
      steps: [{ tool_calls: [{ tool: 'shell', command: 'setsid sleep 300 & touch up; sleep 300' }] }],
    })
    const abort = new AbortController()

    const playing = theatre.play({ signal: abort.signal })
    await until(() => existsSync(join(theatre.work, 'up')), 30_000, 'the command runs')
    const begin = performance.now()
    abort.abort()
    const played = await playing

    expect(played.outcome).toMatchObject({ kind: 'stopped', usage: { inputTokens: 600 } })
    expect(payloadsOf(played, 'tool_result')).toMatchObject([{ tool_name: 'shell', success: false }])
    expect(performance.now() - begin).toBeLessThan(9_000)
    expect(marked(theatre.mark)).toEqual([])
  })

  it('stops while a person is asked, and takes the question back', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'write-file')
    const abort = new AbortController()

    const played = await theatre.play({
      signal: abort.signal,
      decide: async ({ withdrawn }) => {
        abort.abort()
        await new Promise<void>((resolve) => withdrawn.addEventListener('abort', () => resolve()))
        return { allow: true, message: '' }
      },
    })

    expect(played.outcome.kind).toBe('stopped')
    expect(played.asked[0]?.withdrawn.aborted).toBe(true)
    expect(existsSync(join(theatre.work, 'greeting.txt'))).toBe(false)
  })

  it('stops before it has begun', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const played = await theatre.play({ signal: AbortSignal.abort() })

    expect(played.outcome.kind).toBe('stopped')
    expect(theatre.calls).toEqual([])
  })

  it('goes on with its session in a second turn, and counts that turn alone', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const first = await theatre.play()
    const id = first.outcome.sessionId
    const second = await theatre.play({ sessionId: id, prompt: 'Are you sure?' })

    expect(second.outcome).toMatchObject({
      kind: 'completed',
      summary: 'It is still 42.',
      sessionId: id,
      usage: { inputTokens: 600, cacheReadTokens: 0, outputTokens: 15 },
    })
    expect([...first.sessions, ...second.sessions]).toEqual([
      { id, resumed: false },
      { id, resumed: true },
    ])
    expect(theatre.calls[1]?.said).toContain('Are you sure?')
    const costs = [...payloadsOf(first, 'cost'), ...payloadsOf(second, 'cost')]
    expect(costs).toHaveLength(2)
    expect(costs[1]?.total_cost_usd).toBeCloseTo((600 * 5 + 15 * 25) / 1_000_000, 6)
  })

  it('goes on after its CLI was killed, and is told so', DEADLINE, async () => {
    // Whether its last words were written down when it is killed is a matter of milliseconds. Where they were
    // not, the model says them again: the command is then a short one.
    const theatre = await openTheatre(stage, {
      name: 'long-once',
      steps: [{ tool_calls: [{ tool: 'shell', command: '[ -e up ] || { touch up; sleep 300; }' }] }],
    })

    const playing = theatre.play()
    await until(() => existsSync(join(theatre.work, 'up')), 30_000, 'the command runs')
    killCli(theatre.mark, stage.program)
    const first = await playing
    const id = first.sessions[0]?.id ?? null
    const second = await theatre.play({ sessionId: id, resumePrompt: 'You were cut. Go on.' })

    expect(second.sessions).toEqual([{ id, resumed: true }])
    expect(second.outcome.kind).toBe('completed')
    expect(theatre.calls[1]?.said).toContain('You were cut. Go on.')
  })

  it('begins anew with its prompt where the session is not there', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const played = await theatre.play({ sessionId: uuid(), resumePrompt: 'Go on.', prompt: 'Begin.' })

    expect(played.sessions).toMatchObject([{ resumed: false }])
    expect(theatre.calls[0]?.said).toContain('Begin.')
    expect(played.outcome).toMatchObject({ kind: 'completed', sessionId: played.sessions[0]?.id })
  })

  it('takes a word in between at the next tool', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'steered',
      steps: [
        { tool_calls: [{ tool: 'shell', command: 'until [ -e go ]; do sleep 0.05; done' }] },
        { text: 'Heard.' },
      ],
    })
    const handler = Promise.withResolvers<Handler>()

    const played = await theatre.play({
      steers: handler.resolve,
      onEvent: (payload) => {
        if (!('tool_call' in payload)) return
        void handler.promise
          .then((tell) => tell({ id: uuid(), text: 'Be quick about it.' }))
          .then(() => writeFileSync(join(theatre.work, 'go'), ''))
      },
    })

    expect(played.outcome).toMatchObject({ kind: 'completed', summary: 'Heard.', turnsUsed: 2 })
    expect(theatre.calls).toHaveLength(2)
    expect(theatre.calls[1]?.said).toContain('Be quick about it.')
  })

  it('takes a word at its end as further work, and then no more', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'queued',
      steps: [
        { text: 'A long answer that takes its time.', chunk_chars: 3, delay_ms: 60 },
        { text: 'And that.' },
      ],
    })
    const handler = Promise.withResolvers<Handler>()
    let isTold = false

    const played = await theatre.play({
      steers: handler.resolve,
      onDelta: () => {
        if (isTold) return
        isTold = true
        void handler.promise.then((tell) => tell({ id: uuid(), text: 'And something else.' }))
      },
    })

    expect(played.outcome).toMatchObject({
      kind: 'completed',
      summary: 'And that.',
      turnsUsed: 2,
      usage: { inputTokens: 1200, outputTokens: 30 },
    })
    expect(payloadsOf(played, 'cost')).toHaveLength(2)
    const tell = await handler.promise
    await expect(tell({ id: uuid(), text: 'Too late.' })).rejects.toThrow('the turn is over')
  })

  it('keeps its session where only the state of the CLI may be written in a home', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')
    const writableHome = ['.claude', '.claude.json'].map((name) => join(theatre.home, name))

    const first = await theatre.play({ writableHome })
    const second = await theatre.play({ writableHome, sessionId: first.outcome.sessionId })

    expect(second.outcome).toMatchObject({ kind: 'completed', summary: 'It is still 42.' })
    expect(JSON.parse(readFileSync(join(theatre.home, '.claude.json'), 'utf8'))).toHaveProperty('userID')
  })
})
