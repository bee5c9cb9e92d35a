/** What the health routes of the real service say when a neighbour stands still: it lives, it takes connections, it is mute. */
import { readFileSync } from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, call, until } from '../support/client.ts'
import { type RunningService, startService } from '../support/service.ts'

let base: string
let service: RunningService
beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'agent-manager-health-')))
  service = await startService(environment('one'))
})
afterAll(async () => {
  await service.end('SIGTERM')
  await rm(base, { recursive: true, force: true })
})

const environment = (name: string) => ({
  PATH: process.env['PATH'] ?? '',
  HOME: join(base, 'home'),
  PORT: '0',
  AGENT_MANAGER_DATA_DIR: join(base, name),
})

const ask = async (path: string, of = service): Promise<Answer & { tookMs: number }> => {
  const startedAt = performance.now()
  const answer = await call(of.url, 'GET', path)
  return { ...answer, tookMs: performance.now() - startedAt }
}

const ready = () =>
  until(
    'readiness',
    () => ask('/readyz'),
    ({ status, body }) => status === 200 && body['status'] === 'healthy',
  )

/** Stops a process for the time of a test. */
async function whileStopped(pid: number, look: () => Promise<void>): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  try {
    await look()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

/** The first answer of `path` that sees it, with the milliseconds since now. */
async function seen(path: string, isSeen: (answer: Answer) => boolean) {
  const startedAt = performance.now()
  const answer = await until(path, () => ask(path), isSeen, 10_000)
  return { ...answer, afterMs: performance.now() - startedAt }
}

describe('a stopped Postgres', () => {
  test('is seen within two seconds by all who ask, and seen to be back', async () => {
    await ready()
    const pidFile = join(base, 'one', 'postgres/data/postmaster.pid')
    const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0])

    await whileStopped(pid, async () => {
      const first = await seen('/readyz', ({ status }) => status === 503)
      expect(first.afterMs).toBeLessThan(2000)
      expect(first.body).toMatchObject({
        status: 'unhealthy',
        readiness: false,
        dependencies: { database: { status: 'unhealthy', message: expect.stringContaining('no answer') } },
      })

      const many = await Promise.all(Array.from({ length: 50 }, () => ask('/api/v1/health')))
      expect(new Set(many.map(({ status }) => status))).toEqual(new Set([503]))
      expect(Math.max(...many.map(({ tookMs }) => tookMs))).toBeLessThan(2000)
      expect((await ask('/livez')).status).toBe(200)
    })

    await ready()
  })
})

describe('a stopped sandbox service', () => {
  test('is seen within two seconds; requests may still come', async () => {
    await ready()
    const pid = Number(/"sandbox_pid":(\d+)/.exec(service.log())?.[1])

    await whileStopped(pid, async () => {
      const first = await seen('/health', ({ body }) => body['status'] !== 'healthy')
      expect(first.afterMs).toBeLessThan(2000)
      expect(first).toMatchObject({ status: 200, body: { status: 'degraded', readiness: true } })
      expect(first.body['dependencies'].sandbox).toMatchObject({ status: 'unhealthy' })
      expect((await ask('/readyz')).status).toBe(200)
    })

    await ready()
  })

  test('that takes connections and never says a word is late by name', async () => {
    const mute = await listen()
    const other = await startService({
      ...environment('two'),
      WORKSPACE_SANDBOX_URL: `http://127.0.0.1:${mute.port}`,
    })
    try {
      const answer = await ask('/health', other)

      expect(answer.tookMs).toBeLessThan(2000)
      expect(answer.body['dependencies'].sandbox).toMatchObject({
        status: 'unhealthy',
        message: expect.stringContaining('no '),
      })
    } finally {
      await other.end('SIGTERM')
      mute.server.close()
    }
  })
})

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: address.port }
}
