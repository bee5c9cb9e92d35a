import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'

let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(apiDeps().deps)
})
afterAll(() => app.close())

const report = (status: 'healthy' | 'degraded' | 'unhealthy', readiness: boolean) => ({
  report: async () => ({ status, readiness, dependencies: {}, activeRuns: 0, pendingRuns: 0 }),
})

describe('health', () => {
  it('is plain for probes', async () => {
    expect((await app.inject('/health')).json()).toEqual({
      status: 'healthy',
      service: 'agent-manager',
      version: '0.1.0',
      readiness: true,
      timestamp: expect.any(String),
      dependencies: { database: { status: 'healthy', message: 'ok', latency_ms: 1.5 } },
      metrics: { active_runs: 2, pending_runs: 3, queued_tasks: 3 },
    })
  })

  it('is in proto names under /api/v1', async () => {
    expect((await app.inject('/api/v1/health')).json()).toMatchObject({
      status: 'HEALTH_STATUS_HEALTHY',
      dependencies: { database: { status: 'healthy' } },
    })
  })

  it.each([
    ['healthy', true, [200, 200, 200, 200]],
    ['degraded', true, [200, 200, 200, 200]],
    ['degraded', false, [200, 200, 503, 200]],
    ['unhealthy', false, [503, 503, 503, 200]],
  ] as const)('of a service that is %s and ready: %s answers %j', async (status, readiness, codes) => {
    const other = await buildServer(apiDeps({ health: report(status, readiness) }).deps)

    const answers = []
    for (const url of ['/health', '/api/v1/health', '/readyz', '/livez']) {
      answers.push((await other.inject(url)).statusCode)
    }

    expect(answers).toEqual(codes)
    await other.close()
  })

  it('of the process asks nobody', async () => {
    const broken = { report: () => Promise.reject(new Error('no')) }
    const other = await buildServer(apiDeps({ health: broken }).deps)

    expect((await other.inject('/livez')).json()).toEqual({ status: 'alive' })
    await other.close()
  })
})

describe('GET /runners', () => {
  it('shows what each can do', async () => {
    const [runner] = (await app.inject('/api/v1/runners')).json().runners

    expect(runner).toMatchObject({
      runner_type: 'RUNNER_TYPE_OPENCODE',
      available: true,
      version: '1.17.0',
      version_supported: true,
      tier: 'native',
      containment: 'full',
      supported_models: ['scripted/m'],
      install_hint: null,
      capabilities: { supports_streaming: true, supports_fork: false, permission_modes: ['auto', 'bypass'] },
    })
  })
})
