import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bucket, Buckets } from '../../api/bucket.ts'
import { networkOf } from '../../api/plugins/rate-limit.ts'

describe('a bucket', () => {
  test('never lets more through than its burst and what came since, and never less than its rate', () => {
    const steps = fc.array(fc.double({ min: 0, max: 500, noNaN: true }), { minLength: 1, maxLength: 300 })
    const rate = fc.record({
      perSecond: fc.integer({ min: 1, max: 1000 }),
      burst: fc.integer({ min: 1, max: 2000 }),
    })
    fc.assert(
      fc.property(rate, steps, ({ perSecond, burst }, gaps) => {
        const bucket = new Bucket({ perSecond, burst }, 0)
        let [now, taken] = [0, 0]
        for (const gap of gaps) {
          now += gap
          const waitMs = bucket.take(now)
          if (waitMs === 0) taken += 1
          else {
            expect(bucket.left).toBe(0)
            expect(waitMs).toBeLessThanOrEqual(1000 / perSecond + 1e-6)
          }
        }
        expect(taken).toBeLessThanOrEqual(burst + (now / 1000) * perSecond + 1e-6)
        if (gaps.length <= burst) expect(taken).toBe(gaps.length)
      }),
    )
  })

  test('says when it has one again', () => {
    const bucket = new Bucket({ perSecond: 10, burst: 1 }, 0)

    expect(bucket.take(0)).toBe(0)
    expect(bucket.take(20)).toBeCloseTo(80)
    expect(bucket.take(99)).toBeGreaterThan(0)
    expect(bucket.take(101)).toBe(0)
  })
})

test('so many keys are remembered and no more; who asks stays', () => {
  const buckets = new Buckets({ perSecond: 1, burst: 1 }, 3)
  buckets.of('a').take()
  for (const key of ['b', 'c', 'a', 'd']) buckets.of(key)

  expect(buckets.size).toBe(3)
  expect(buckets.of('a').take()).toBeGreaterThan(0)
  expect(buckets.of('b').take()).toBe(0)
})

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:10.0.0.7', '10.0.0.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::7', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
])('the network of %s is %s', (address, network) => expect(networkOf(address)).toBe(network))
