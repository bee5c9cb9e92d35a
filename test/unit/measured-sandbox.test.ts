import { expect, test } from 'vitest'
import { AppError } from '../../internal/errors.ts'
import { measuredSandbox } from '../../internal/sandbox/measured.ts'
import type { ApplyResult, SandboxService } from '../../internal/sandbox/port.ts'
import { counted } from '../support/counted.ts'

const REQUEST = { actor: 'ada', expected: [], projectRoot: '/p' }

/** A service of which only landing is asked. */
const landing = (applyAll: () => Promise<ApplyResult>) => ({ applyAll }) as unknown as SandboxService

test.each([
  ['ok', async (): Promise<ApplyResult> => ({ ok: true, applied: 2 })],
  ['conflict', async (): Promise<ApplyResult> => ({ ok: false, reason: 'conflict', message: '', paths: [] })],
])('a call is timed under what came of it: %s', async (outcome, applyAll) => {
  const metrics = counted()

  expect(await measuredSandbox(landing(applyAll), metrics).applyAll('id', REQUEST)).toEqual(await applyAll())
  expect(metrics.of('sandbox_call_duration_seconds')).toEqual([
    `sandbox_call_duration_seconds{operation="apply_all",outcome="${outcome}"}`,
  ])
})

test.each([
  ['sandbox_unavailable', new AppError('SANDBOX_UNAVAILABLE', 'away')],
  ['error', new Error('a bug')],
])('a call that fails is timed as %s, and fails as before', async (outcome, error) => {
  const metrics = counted()
  const service = measuredSandbox(
    landing(() => Promise.reject(error)),
    metrics,
  )

  await expect(service.applyAll('id', REQUEST)).rejects.toBe(error)
  expect(metrics.of('sandbox_call_duration_seconds')).toEqual([
    `sandbox_call_duration_seconds{operation="apply_all",outcome="${outcome}"}`,
  ])
})
