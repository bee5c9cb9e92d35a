import { expect, it } from 'vitest'
import { withPatience } from '../../internal/engine/sandbox-patience.ts'
import { AppError, type ErrorCode } from '../../internal/errors.ts'

const failing = (code: ErrorCode, times: number) => {
  let asked = 0
  return async () => {
    asked += 1
    if (asked <= times) throw new AppError(code, `${code} ${asked}`)
    return asked
  }
}
const never = new AbortController().signal

it('asks again while nobody answers, and says so once', async () => {
  const told: string[] = []

  expect(await withPatience(failing('SANDBOX_UNAVAILABLE', 3), (why) => told.push(why), never)).toBe(4)

  expect(told).toEqual(['SANDBOX_UNAVAILABLE 1'])
})

it('gives a service that answers and fails four tries', async () => {
  expect(await withPatience(failing('SANDBOX_OPERATION', 3), () => {}, never)).toBe(4)
  await expect(withPatience(failing('SANDBOX_OPERATION', 4), () => {}, never)).rejects.toThrow(
    'SANDBOX_OPERATION 4',
  )
})

it('does not ask again what will not change, nor when the run is to end', async () => {
  await expect(withPatience(failing('VALIDATION_SCOPE', 1), () => {}, never)).rejects.toThrow(
    'VALIDATION_SCOPE 1',
  )
  await expect(
    withPatience(failing('SANDBOX_UNAVAILABLE', 9), () => {}, AbortSignal.abort()),
  ).rejects.toThrow('SANDBOX_UNAVAILABLE 1')
  const ending = new AbortController()
  const asking = withPatience(failing('SANDBOX_UNAVAILABLE', 9), () => ending.abort(), ending.signal)
  await expect(asking).rejects.toThrow('SANDBOX_UNAVAILABLE 2')
})
