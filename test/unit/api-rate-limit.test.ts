import { afterEach, describe, expect, test } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps, LIMITS } from '../support/api-deps.ts'

let closing: (() => Promise<void>) | undefined
afterEach(() => closing?.())

async function started(limits: Partial<typeof LIMITS>) {
  const app = await buildServer(apiDeps({ limits: { ...LIMITS, ...limits } }).deps)
  closing = () => app.close()
  return {
    app,
    ask: (method: 'GET' | 'POST', url: string, remoteAddress?: string) =>
      app.inject({ method, url, ...(remoteAddress && { remoteAddress }) }),
  }
}

const codes = async (count: number, ask: () => Promise<{ statusCode: number }>) => {
  const all: number[] = []
  for (let n = 0; n < count; n += 1) all.push((await ask()).statusCode)
  return all
}

describe('a caller', () => {
  test('may send a burst of two seconds, then is told when to go on', async () => {
    const { ask } = await started({ perPrincipal: 2 })

    const first = await ask('GET', '/api/v1/runs')
    expect(first.statusCode).toBe(200)
    expect(first.headers).toMatchObject({
      'ratelimit-limit': '4',
      'ratelimit-remaining': '3',
      'ratelimit-reset': '1',
    })
    expect(await codes(3, () => ask('GET', '/api/v1/runs'))).toEqual([200, 200, 200])

    const refused = await ask('GET', '/api/v1/runs')
    expect(refused.statusCode).toBe(429)
    expect(refused.headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json'),
      'retry-after': '1',
      'x-retryable': 'true',
      'ratelimit-remaining': '0',
    })
    expect(refused.json()).toMatchObject({ code: 'RATE_LIMITED', status: 429, retryable: true })
  })

  test('may go on when it waited as long as it was told', async () => {
    const { ask } = await started({ perPrincipal: 20 })
    await codes(40, () => ask('GET', '/api/v1/runs'))

    await expect.poll(async () => (await ask('GET', '/api/v1/runs')).statusCode, { timeout: 5000 }).toBe(200)
  })

  test('is limited wherever it asks, also where nothing is', async () => {
    const { ask } = await started({ perPrincipal: 1 })
    await codes(2, () => ask('GET', '/nothing'))

    expect((await ask('GET', '/api/v1/tasks')).statusCode).toBe(429)
  })

  test('may always ask how the service is', async () => {
    const { ask } = await started({ perPrincipal: 1, perAddress: 1 })
    await codes(3, () => ask('GET', '/api/v1/runs'))

    for (const path of ['/livez', '/readyz', '/health', '/api/v1/health', '/metrics'])
      expect(await codes(20, () => ask('GET', path))).toEqual(Array(20).fill(200))
  })

  test('has less of what is expensive', async () => {
    const { ask } = await started({ perPrincipal: 100, expensivePerPrincipal: 1 })

    expect(await codes(3, () => ask('POST', '/api/v1/runs'))).toEqual([400, 400, 429])
    expect((await ask('GET', '/api/v1/runs')).statusCode).toBe(200)
  })

  test('is not limited by what another address does', async () => {
    const { ask } = await started({ perAddress: 1 })

    expect(await codes(3, () => ask('GET', '/api/v1/runs', '10.0.0.1'))).toEqual([200, 200, 429])
    expect((await ask('GET', '/api/v1/runs', '10.0.0.2')).statusCode).toBe(200)
  })

  test('is not limited where the operator says 0', async () => {
    const { ask } = await started({ requests: 10_000 })

    const answers = await Promise.all(Array.from({ length: 3000 }, () => ask('GET', '/nothing')))
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([404]))
    expect(answers[0]?.headers['ratelimit-limit']).toBeUndefined()
  })
})
