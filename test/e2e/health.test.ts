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

const postmaster = (name: string): number =>
  Number(readFileSync(join(base, name, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])

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

/** Stops processes for the time of a test. */
async function whileStopped(pids: readonly number[], look: () => Promise<void>): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    await look()
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

/** The first answer of `path` that sees it, with the milliseconds since now. */
async function seen(path: string, isSeen: (answer: Answer) => boolean) {
  const startedAt = performance.now()
  const answer = await until(path, () => ask(path), isSeen, 10_000)
  return { ...answer, afterMs: performance.now() - startedAt }
}

describe('a stopped Postgres', () => {
  test('is seen within two seconds by all who ask, and seen to be back', async () => {
    await ready()
    await whileStopped([postmaster('one')], async () => {
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

    await whileStopped([pid], async () => {
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

test('a service that was told to stop says so to the last, however long it takes', async () => {
  const other = await startService(environment('three'))
  const pid = postmaster('three')

  let ended: ReturnType<RunningService['end']> | undefined
  // With every connection mute its claims wait, and a drain waits for its claims.
  await whileStopped([pid, ...childrenOf(pid)], async () => {
    await until(
      'word of the database',
      () => ask('/readyz', other),
      ({ status }) => status === 503,
    )
    ended = other.end('SIGTERM')
    const answer = await until(
      'the word of its end',
      () => ask('/readyz', other),
      ({ body }) => String(body['dependencies'].claim_loop.message).includes('stopping'),
    )
    expect(answer.status).toBe(503)
    expect(answer.body).toMatchObject({ readiness: false })
    expect((await ask('/livez', other)).status).toBe(200)
  })

  expect(await ended).toEqual({ code: 0, signal: null })
})

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: address.port }
}
