/**
 * How often somebody may ask: per address, per principal, and once more for what is expensive. Meant for callers that
 * run wild; everybody on a machine without keys is one principal, so the standard is far above what many of them need.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import { type Bucket, Buckets } from '../bucket.ts'
import type { ApiDeps } from '../deps.ts'
import { RATE_BURST_SECONDS, RATE_KEYS } from '../limits.ts'

/** Each asks the sandbox service or starts a program. `METHOD pattern`. */
const EXPENSIVE: ReadonlySet<string> = new Set([
  'POST /api/v1/runs',
  'POST /api/v1/runs/:id/retry',
  'POST /api/v1/runs/:id/fork',
  'POST /api/v1/runners/:runner_type/probe',
])

export function addRateLimit(app: FastifyInstance, { limits }: Pick<ApiDeps, 'limits'>): void {
  const addresses = bucketsOf(limits.perAddress)
  const principals = bucketsOf(limits.perPrincipal)
  const expensive = bucketsOf(limits.expensivePerPrincipal)
  app.addHook('onRequest', async ({ socket, principal, method, routeOptions }, reply) => {
    if (routeOptions.config.isProbe) return
    take(addresses?.of(networkOf(socket.remoteAddress ?? '')), reply, 'address')
    take(principals?.of(principal.id), reply, 'caller')
    if (EXPENSIVE.has(`${method} ${routeOptions.url}`))
      take(expensive?.of(principal.id), reply, 'caller of this route')
  })
}

const bucketsOf = (perSecond: number): Buckets | null =>
  perSecond === 0 ? null : new Buckets({ perSecond, burst: perSecond * RATE_BURST_SECONDS }, RATE_KEYS)

/** The headers of the last bucket asked stay: it is the narrowest. */
function take(bucket: Bucket | undefined, reply: FastifyReply, whose: string): void {
  if (!bucket) return
  const waitMs = bucket.take()
  reply
    .header('ratelimit-limit', String(bucket.burst))
    .header('ratelimit-remaining', String(bucket.left))
    .header('ratelimit-reset', String(Math.ceil(bucket.fullAfterSeconds)))
  if (waitMs === 0) return
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  reply.header('retry-after', String(seconds))
  throw new AppError(
    'RATE_LIMITED',
    `This ${whose} sends more than ${bucket.perSecond} requests a second; wait ${seconds} s (AGENT_MANAGER_SERVER_RATE_LIMIT…).`,
  )
}

/** An IPv4 address, or the /64 of an IPv6 one: whoever has one address of it has them all. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (isIPv4(plain) || !isIPv6(plain)) return plain
  const [head = '', tail = ''] = (plain.split('%')[0] ?? '').split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === '' ? [] : tail.split(':')
  const zeros = plain.includes('::')
    ? Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0')
    : []
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`
}
