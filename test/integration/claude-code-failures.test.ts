import { beforeAll, describe, expect, it } from 'vitest'
import { killCli, openTheatre, prepareStage, type Stage } from '../support/claude-turn.ts'
import { marked } from '../support/marked-processes.ts'
import { payloadsOf } from '../support/played-turn.ts'

const DEADLINE = { timeout: 60_000 }
const INSTALL_DEADLINE_MS = 310_000

const failing = (status: number, message: string, more: object = {}) => ({
  name: `error-${status}`,
  steps: [{ error: { status, message, ...more } }],
})

describe('claude-code fails', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await prepareStage()
  }, INSTALL_DEADLINE_MS)

  it.each([
    [400, 'temperature: no such parameter', 'provider_rejected', false],
    [401, 'invalid x-api-key', 'provider_auth', false],
    [403, 'not for your key', 'provider_auth', false],
    [404, 'model: none', 'provider_rejected', false],
    [413, 'request too large', 'provider_rejected', false],
    [429, 'Rate limit reached', 'rate_limited', true],
    [529, 'Overloaded', 'provider_rejected', true],
    [500, 'Internal', 'provider_rejected', true],
  ])('on HTTP %i %s as %s', DEADLINE, async (status, message, code, retryable) => {
    const theatre = await openTheatre(stage, failing(status, message))

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({ kind: 'failed', failure: { code, retryable } })
    expect(played.outcome).toMatchObject({
      failure: { message: expect.stringContaining(String(status)) },
      usage: { inputTokens: 0, totalCostUsd: 0 },
    })
    expect(payloadsOf(played, 'message')).toEqual([])
    expect(payloadsOf(played, 'log')).toContainEqual({
      level: 'warn',
      message: expect.stringContaining('the model call failed'),
    })
    expect(marked(theatre.mark)).toEqual([])
  })

  it('on a prompt that is too long as context_overflow', DEADLINE, async () => {
    const theatre = await openTheatre(
      stage,
      failing(400, 'prompt is too long: 210000 tokens > 200000 maximum'),
    )

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'context_overflow', message: expect.stringContaining('too long') },
    })
  })

  it('on a limit, and says when it ends', DEADLINE, async () => {
    const theatre = await openTheatre(stage, failing(429, 'Rate limit reached', { retry_after: 2 }))

    const before = Date.now()
    const played = await theatre.play()

    const [limit] = payloadsOf(played, 'rate_limit')
    expect(limit?.retry_after).toBeGreaterThanOrEqual(2)
    expect(Date.parse(limit?.reset_time ?? '')).toBeGreaterThan(before + 1_900)
    expect(limit?.message).toContain('HTTP 429')
    expect(played.outcome).toMatchObject({ failure: { code: 'rate_limited', recovery: 'wait' } })
  })

  it('at once on the limit of a subscription, and says when it ends', DEADLINE, async () => {
    const resetS = Math.floor(Date.now() / 1000) + 600
    const headers = {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': String(resetS),
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
    }
    const theatre = await openTheatre(stage, failing(429, 'limit', { headers }), {
      environment: { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-scripted' },
    })

    const played = await theatre.play()

    expect(payloadsOf(played, 'rate_limit')).toMatchObject([
      { limit_type: 'five_hour', reset_time: new Date(resetS * 1000).toISOString() },
    ])
    expect(played.outcome).toMatchObject({ kind: 'failed', failure: { code: 'rate_limited' } })
    expect(theatre.calls).toHaveLength(1)
    expect(theatre.calls[0]?.authorization).toBe('Bearer sk-ant-oat01-scripted')
  })

  it('without a key, and calls nobody', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only', { environment: { ANTHROPIC_API_KEY: '' } })

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'provider_auth', message: expect.stringContaining('Not logged in') },
    })
    expect(theatre.calls).toEqual([])
  })

  it('on streams that break off', DEADLINE, async () => {
    const theatre = await openTheatre(stage, { name: 'cut', steps: [{ text: 'x'.repeat(400), cut: true }] })

    const played = await theatre.play()

    expect(played.outcome.kind).toBe('failed')
    expect(played.outcome).toMatchObject({ failure: { code: 'provider_rejected', retryable: true } })
  })

  it('on a provider that is silent', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'hang', { apiTimeoutMs: 1_000, maxRetries: 0 })

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: {
        code: 'provider_rejected',
        retryable: true,
        message: expect.stringMatching(/timed out/i),
      },
    })
  })

  it('on a provider that is not there', DEADLINE, async () => {
    // Port 9 of the loopback: nobody discards there any more.
    const theatre = await openTheatre(stage, 'answer-only', {
      maxRetries: 0,
      environment: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' },
    })

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'provider_rejected', retryable: true, recovery: 'retry_backoff' },
    })
  })

  it('when it wants more model calls than it may make', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'endless')

    const played = await theatre.play({ maxTurns: 2 })

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'agent_error', message: expect.stringContaining('more than the 2 model calls') },
      usage: { inputTokens: 1200 },
    })
    expect(theatre.calls).toHaveLength(2)
  })

  it('when it does not begin in time', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const played = await theatre.play({ startTimeoutMs: 1 })

    expect(played.outcome).toMatchObject({ kind: 'failed', failure: { code: 'start_timeout' } })
    expect(marked(theatre.mark)).toEqual([])
  })

  it('when it cannot be started as it should, and keeps what it complained of', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    // The CLI refuses the argument before it prints anything.
    const played = await theatre.play({ maxTurns: Number.NaN })

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'agent_crashed', exitCode: 1, stderrTail: expect.stringContaining('max-turns') },
    })
  })

  it('when it is killed, and counts what was used until then', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'long-tool')

    const played = await theatre.play({
      onEvent: (payload) => {
        if ('tool_call' in payload) killCli(theatre.mark, stage.program)
      },
    })

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'agent_crashed', retryable: true },
      usage: { inputTokens: 600, totalCostUsd: null },
    })
    expect(payloadsOf(played, 'tool_result')).toMatchObject([{ tool_name: 'shell', success: false }])
    expect(payloadsOf(played, 'cost')).toMatchObject([{ cost_source: 'unknown', total_cost_usd: null }])
    expect(marked(theatre.mark)).toEqual([])
  })
})
