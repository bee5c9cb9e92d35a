import { describe, expect, test } from 'vitest'
import { createHealth, type HealthDeps } from '../../internal/health.ts'

const never = <T>(): Promise<T> => new Promise(() => undefined)

function deps(change: Partial<HealthDeps> = {}): HealthDeps {
  return {
    askDatabase: async () => ({ isReadOnly: false, activeRuns: 2, pendingRuns: 3 }),
    sandbox: { health: async () => ({ ok: true, message: 'healthy' }) },
    lookAtRunners: () => ({
      opencode: Promise.resolve({ available: true, message: 'ready' }),
      codex: Promise.resolve({ available: false, message: 'not built' }),
    }),
    guardedByTriggersOnly: false,
    claimState: () => 'claiming',
    ...change,
  }
}

const timed = async (change: Partial<HealthDeps>) => {
  const startedAt = performance.now()
  const report = await createHealth(deps(change)).report()
  return { report, tookMs: performance.now() - startedAt }
}

describe('a report', () => {
  test('names everything the service stands on', async () => {
    const { report } = await timed({})

    expect(report).toMatchObject({ status: 'healthy', readiness: true, activeRuns: 2, pendingRuns: 3 })
    expect(report.dependencies).toMatchObject({
      database: { status: 'healthy', message: 'connected' },
      sandbox: { status: 'healthy', message: 'healthy' },
      claim_loop: { status: 'healthy' },
      runner_opencode: { status: 'healthy', message: 'ready' },
      runner_codex: { status: 'degraded', message: 'not built' },
    })
  })

  test('comes within two seconds when nobody answers, and says who was late', async () => {
    const { report, tookMs } = await timed({
      askDatabase: never,
      sandbox: { health: never },
      lookAtRunners: () => ({
        opencode: never(),
        'claude-code': Promise.resolve({ available: true, message: 'ready' }),
      }),
    })

    expect(tookMs).toBeLessThan(2000)
    expect(report).toMatchObject({ status: 'unhealthy', readiness: false, activeRuns: 0 })
    const late = expect.stringMatching(/^no answer within \d+ ms$/)
    expect(report.dependencies).toMatchObject({
      database: { status: 'unhealthy', message: late },
      sandbox: { status: 'unhealthy', message: late },
      runner_opencode: { status: 'degraded', message: late },
      'runner_claude-code': { status: 'healthy', message: 'ready' },
    })
  })

  test.each([
    [
      'the database is read-only',
      { askDatabase: async () => ({ isReadOnly: true, activeRuns: 0, pendingRuns: 0 }) },
    ],
    ['the database refuses', { askDatabase: () => Promise.reject(new Error('no')) }],
    ['claiming has stalled', { claimState: () => 'stalled' as const }],
    ['the service is stopping', { claimState: () => 'stopping' as const }],
  ])('is not ready when %s', async (_, change) => {
    expect((await timed(change)).report).toMatchObject({ status: 'unhealthy', readiness: false })
  })

  test('is ready, and degraded, without the sandbox service', async () => {
    const { report } = await timed({ sandbox: { health: async () => ({ ok: false, message: 'gone' }) } })

    expect(report).toMatchObject({ status: 'degraded', readiness: true })
  })

  test('says that triggers alone guard the log', async () => {
    const { report } = await timed({ guardedByTriggersOnly: true })

    expect(report.readiness).toBe(true)
    expect(report.dependencies['database']?.message).toContain('triggers alone guard it')
  })
})

test('callers at once, and those just after, share one look; later ones get a new one', async () => {
  let looks = 0
  const health = createHealth(
    deps({
      askDatabase: async () => {
        looks += 1
        return { isReadOnly: false, activeRuns: 0, pendingRuns: 0 }
      },
    }),
  )

  await Promise.all(Array.from({ length: 100 }, () => health.report()))
  await health.report()
  expect(looks).toBe(1)

  const end = performance.now() + 5000
  while (looks === 1 && performance.now() < end) {
    await health.report()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(looks).toBe(2)
})
