/** A sandbox service whose calls are timed. */
import { AppError } from '../errors.ts'
import { type Metrics, secondsSince } from '../metrics.ts'
import type { SandboxService } from './port.ts'

export function measuredSandbox(service: SandboxService, metrics: Metrics): SandboxService {
  const timed = async <T>(
    operation: string,
    call: () => Promise<T>,
    outcomeOf: (answer: T) => string = () => 'ok',
  ): Promise<T> => {
    const startedAt = performance.now()
    const told = (outcome: string) =>
      metrics.observe('sandbox_call_duration_seconds', { operation, outcome }, secondsSince(startedAt))
    try {
      const answer = await call()
      told(outcomeOf(answer))
      return answer
    } catch (error) {
      told(error instanceof AppError ? error.code.toLowerCase() : 'error')
      throw error
    }
  }
  return {
    get url() {
      return service.url
    },
    health: (deadlineMs) =>
      timed(
        'health',
        () => service.health(deadlineMs),
        ({ ok }) => (ok ? 'ok' : 'unhealthy'),
      ),
    create: (request) => timed('create', () => service.create(request)),
    state: (id) => timed('state', () => service.state(id)),
    stop: (id) => timed('stop', () => service.stop(id)),
    diff: (id) => timed('diff', () => service.diff(id)),
    applyAll: (id, request) =>
      timed(
        'apply_all',
        () => service.applyAll(id, request),
        (result) => (result.ok ? 'ok' : result.reason),
      ),
    reject: (id, actor) => timed('reject', () => service.reject(id, actor)),
    delete: (id) => timed('delete', () => service.delete(id)),
    listOwned: () => timed('list_owned', () => service.listOwned()),
  }
}
