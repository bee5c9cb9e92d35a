import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'

let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(apiDeps().deps)
})
afterAll(() => app.close())

const get = async (headers: Record<string, string>) => {
  const answer = await app.inject({ method: 'GET', url: '/api/v1/runs', headers })
  return [answer.statusCode, answer.json().code ?? null]
}

describe('a service without keys', () => {
  test.each([
    [{ host: 'localhost:8080' }],
    [{ host: '127.0.0.1:1234' }],
    [{ host: '[::1]:8080' }],
    [{ host: 'localhost:8080', origin: 'http://localhost:8080' }],
  ])('answers %j', async (headers) => expect(await get(headers)).toEqual([200, null]))

  test.each([
    [{ host: 'evil.example' }, 'POLICY_HOST_DENIED'],
    [{ host: '127.0.0.1.evil.example' }, 'POLICY_HOST_DENIED'],
    [{ host: 'localhost:8080', origin: 'https://evil.example' }, 'POLICY_ORIGIN_DENIED'],
    [{ host: 'localhost:8080', origin: 'null' }, 'POLICY_ORIGIN_DENIED'],
    [{ host: 'localhost:8080', origin: 'http://localhost:9999' }, 'POLICY_ORIGIN_DENIED'],
  ])('refuses %j', async (headers, code) => expect(await get(headers)).toEqual([403, code]))
})
