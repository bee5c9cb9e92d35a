import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { byteRange } from '../../api/byte-range.ts'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const content = (headers: Record<string, string> = {}, id = 'diff.1') =>
  app.inject({ url: `/api/v1/artifacts/${id}/content`, headers })

describe('GET /runs/{id}/artifacts', () => {
  it('lists them', async () => {
    const response = await app.inject(`/api/v1/runs/${RUN_ID}/artifacts`)

    expect(response.json()).toEqual({
      artifacts: [
        {
          id: 'diff.1',
          type: 'diff',
          name: 'turn-1.diff',
          size: 10,
          content_type: 'text/x-diff; charset=utf-8',
          sha256: 'abc',
          created_at: '2026-11-21T10:00:00.000Z',
        },
      ],
    })
  })

  it('knows its run', async () => {
    const response = await app.inject(`/api/v1/runs/${UNKNOWN_ID}/artifacts`)

    expect(response.json().code).toBe('NOT_FOUND_RUN')
  })
})

describe('GET /artifacts/{id}/content', () => {
  it('gives the bytes, never as a page', async () => {
    const response = await content()

    expect([response.statusCode, response.body]).toEqual([200, '0123456789'])
    expect(response.headers).toMatchObject({
      'content-type': 'text/x-diff; charset=utf-8',
      'content-length': '10',
      'content-disposition': 'attachment; filename="turn-1.diff"',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      etag: '"abc"',
    })
    expect(response.headers).not.toHaveProperty('content-range')
  })

  it.each([
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
  ])('gives %s of them', async (range, body, contentRange) => {
    const response = await content({ range })

    expect([response.statusCode, response.body]).toEqual([206, body])
    expect(response.headers['content-range']).toBe(contentRange)
    expect(response.headers['content-length']).toBe(`${body.length}`)
  })

  it.each(['bytes=10-', 'bytes=99-100', 'bytes=-0'])('has nothing of %s', async (range) => {
    const response = await content({ range })

    expect(response.statusCode).toBe(416)
    expect(response.json()).toMatchObject({ code: 'RANGE_NOT_SATISFIABLE', size: 10 })
    expect(response.headers['content-range']).toBe('bytes */10')
    expect(response.headers['content-type']).toContain('application/problem+json')
  })

  it.each(['bytes=0-1,4-5', 'lines=1-2', 'bytes=5-2', 'bytes=-', 'bytes'])(
    'gives all for %s',
    async (range) => {
      const response = await content({ range })

      expect([response.statusCode, response.body]).toEqual([200, '0123456789'])
    },
  )

  it('gives a range only of the content that the caller knows, and nothing to who has it', async () => {
    expect((await content({ range: 'bytes=0-1', 'if-range': '"abc"' })).statusCode).toBe(206)
    expect((await content({ range: 'bytes=0-1', 'if-range': '"old"' })).body).toBe('0123456789')
    const known = await content({ 'if-none-match': '"abc"' })
    expect([known.statusCode, known.body]).toEqual([304, ''])
    expect((await content({ 'if-none-match': '"old"' })).statusCode).toBe(200)
  })

  it.each(['nonsense', 'diff.2', '..%2F..%2Fetc'])('knows no %s', async (id) => {
    const response = await content({}, id)

    expect([response.statusCode, response.json().code]).toEqual([404, 'NOT_FOUND_ARTIFACT'])
  })
})

describe('a range', () => {
  it('of nothing is not there', () => {
    expect(byteRange(undefined, 0)).toBeNull()
    expect(() => byteRange('bytes=0-', 0)).toThrow(/0 bytes/)
  })
})
