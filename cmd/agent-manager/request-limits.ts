/** What one replica takes of requests, from its levers. */
import type { RequestLimits } from '../../api/deps.ts'
import type { Levers } from '../../internal/config-levers.ts'

/** Bodies of all requests together: this much, or two of the largest. */
const ALL_BODIES_BYTES = 64 * 1024 * 1024

export function requestLimits(levers: Levers): RequestLimits {
  const bodyBytes = levers.SERVER_MAX_REQUEST_BODY_BYTES
  return {
    bodyBytes,
    allBodiesBytes: Math.max(ALL_BODIES_BYTES, 2 * bodyBytes),
    requests: levers.SERVER_MAX_CONCURRENT_REQUESTS,
    perAddress: levers.SERVER_RATE_LIMIT_PER_ADDRESS,
    perPrincipal: levers.SERVER_RATE_LIMIT,
    expensivePerPrincipal: levers.SERVER_RATE_LIMIT_EXPENSIVE,
  }
}
