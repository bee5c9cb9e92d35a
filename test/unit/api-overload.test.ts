import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps, LIMITS } from '../support/api-deps.ts'
import { RUN_ID } from '../support/api-values.ts'
import { counted } from '../support/counted.ts'

let closing: (() => Promise<unknown>) | undefined
afterEach(() => closing?.())

/** A service whose database answers when the test says so. */
async function started(limits: Partial<typeof LIMITS>) {
  const { promise: open, resolve: answer } = Promise.withResolvers<void>()
  const metrics = counted()
  const { deps } = apiDeps({ metrics, limits: { ...LIMITS, ...limits } })
  let waiting = 0
  const get: typeof deps.runs.get = async (id) => {
    waiting += 1
    await open
    return deps.runs.get(id)
  }
  const app = await buildServer({ ...deps, runs: { ...deps.runs, get } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  closing = () => app.close()
  return { url, port: Number(new URL(url).port), metrics, answer, waiting: () => waiting }
}

describe('requests at once', () => {
  test('above the limit are refused at once, probes are not, and room comes back', async () => {
    const { url, metrics, answer, waiting } = await started({ requests: 3 })
    const slow = Array.from({ length: 3 }, () => fetch(`${url}/api/v1/runs/${RUN_ID}`))
    await expect.poll(waiting).toBe(3)

    const refused = await fetch(`${url}/api/v1/runs`)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ code: 'CAPACITY_REQUESTS', retryable: true })
    for (const path of ['/livez', '/readyz', '/health', '/metrics'])
      expect((await fetch(`${url}${path}`)).status).toBe(200)
    expect(metrics.sums.get('http_requests_in_flight{}')).toBe(3)

    answer()
    for (const request of slow) expect((await request).status).toBe(200)
    await expect.poll(() => metrics.sums.get('http_requests_in_flight{}')).toBe(0)
    expect((await fetch(`${url}/api/v1/runs`)).status).toBe(200)
  })

  test('whose clients leave make room', async () => {
    const { url, waiting } = await started({ requests: 1 })
    const leaving = new AbortController()
    const slow = fetch(`${url}/api/v1/runs/${RUN_ID}`, { signal: leaving.signal })
    await expect.poll(waiting).toBe(1)

    leaving.abort()
    await expect(slow).rejects.toThrow()

    await expect.poll(async () => (await fetch(`${url}/api/v1/runs`)).status).toBe(200)
  })
})

describe('bodies on their way', () => {
  const begin = (port: number, header: string): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(
          `POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${header}\r\n\r\n`,
        )
        resolve(socket)
      })
      socket.on('error', reject)
    })

  test.each([
    ['announced', 'Content-Length: 600'],
    ['not announced', 'Transfer-Encoding: chunked'],
  ])('%s: together they have a limit before a byte of them came', async (_, header) => {
    const { url, port, metrics } = await started({ bodyBytes: 600, allBodiesBytes: 1200 })
    const inFlight = () => metrics.sums.get('http_body_bytes_in_flight{}') ?? 0
    const slow = [await begin(port, header), await begin(port, header)]
    await expect.poll(inFlight).toBe(1200)

    const post = () =>
      fetch(`${url}/api/v1/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"task": {}}',
      })
    const refused = await post()
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ code: 'CAPACITY_REQUESTS' })
    expect((await fetch(`${url}/api/v1/runs`)).status).toBe(200)

    for (const socket of slow) socket.destroy()
    await expect.poll(inFlight).toBe(0)
    expect((await post()).status).toBe(400)
  })
})
