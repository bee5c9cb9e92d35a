import { describe, expect, it } from 'vitest'
import { failureOfError, failureOfRetries } from '../../adapters/runners/opencode/failure.ts'
import { errorSchema } from '../../adapters/runners/opencode/wire.ts'

const failure = (name: string, data: object) => failureOfError(errorSchema.parse({ name, data }))

describe('failureOfError', () => {
  it.each([
    ['APIError', { message: 'no', statusCode: 401 }, 'provider_auth', false],
    ['APIError', { message: 'no', statusCode: 403 }, 'provider_auth', false],
    ['APIError', { message: 'slow', statusCode: 429 }, 'rate_limited', true],
    ['APIError', { message: 'bad', statusCode: 400, isRetryable: false }, 'provider_rejected', false],
    ['APIError', { message: 'boom', statusCode: 500, isRetryable: true }, 'provider_rejected', true],
    ['ProviderAuthError', { message: 'no key' }, 'provider_auth', false],
    ['ContextOverflowError', { message: 'too long' }, 'context_overflow', false],
    ['UnknownError', { message: 'Model not found: a/b.' }, 'provider_rejected', false],
    ['UnknownError', { message: 'what' }, 'agent_error', false],
    ['SomethingNew', {}, 'agent_error', false],
  ])('calls %s %j %s', (name, data, code, retryable) => {
    expect(failure(name, data)).toMatchObject({ code, retryable, exitCode: null, signal: null })
  })
})

describe('failureOfRetries', () => {
  it('tells a limit from a fault', () => {
    expect(failureOfRetries(5, 'Too Many Requests')).toMatchObject({ code: 'rate_limited', retryable: true })
    expect(failureOfRetries(5, 'socket closed')).toMatchObject({ code: 'provider_rejected', retryable: true })
  })
})
