import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isKept, recordId, requestDigest } from '../../internal/idempotency/idempotency.ts'

/** The same value with the members of every object in reverse order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, part]) => [key, reversed(part)]),
  )
}

describe('the digest of a request', () => {
  it('does not depend on the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        expect(requestDigest({ a: '1', b: '2' }, reversed(body))).toBe(
          requestDigest({ b: '2', a: '1' }, body),
        )
      }),
    )
  })

  it('differs where anything else does', () => {
    const digests = [
      requestDigest({}, null),
      requestDigest({}, {}),
      requestDigest({}, []),
      requestDigest({}, { a: 1 }),
      requestDigest({}, { a: '1' }),
      requestDigest({}, { a: [1, 2] }),
      requestDigest({}, { a: [2, 1] }),
      requestDigest({ a: 1 }, {}),
      requestDigest({}, { a: null }),
      requestDigest({}, { ['__proto__']: 1 }),
    ]

    expect(new Set(digests).size).toBe(digests.length)
  })
})

describe('the record of a key', () => {
  const key = { principal: 'p', method: 'POST', path: '/a', key: 'k' }

  it('belongs to one principal, method, path and key', () => {
    const ids = [
      key,
      { ...key, principal: 'q' },
      { ...key, method: 'PUT' },
      { ...key, path: '/b' },
      { ...key, key: 'l' },
      { ...key, path: '/', key: 'ak' },
      { ...key, path: '/a1:k', key: '' },
    ].map(recordId)

    expect(new Set(ids).size).toBe(ids.length)
    expect(recordId({ ...key })).toBe(ids[0])
  })
})

it.each([
  [200, true],
  [201, true],
  [202, true],
  [304, false],
  [400, true],
  [404, true],
  [408, false],
  [409, false],
  [412, true],
  [422, true],
  [429, false],
  [500, false],
  [503, false],
])('an answer of %i is given again: %s', (status, kept) => {
  expect(isKept(status)).toBe(kept)
})
