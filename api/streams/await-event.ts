/** Waits until a run has an event that somebody wants. */
import type { FastifyReply } from 'fastify'
import type { ApiDeps } from '../deps.ts'
import { type EventName, wants } from '../schemas/run-event.ts'
import type { OpenStreams } from './open-streams.ts'

/** `over` aborts when the time is over, the client has hung up, or the service stops. Throws CAPACITY_CONNECTIONS. */
export function startWaiting(
  { raw }: FastifyReply,
  streams: OpenStreams,
  waitMs: number,
): { over: AbortSignal; end(): void } {
  const over = new AbortController()
  const abort = () => over.abort()
  const place = streams.open('wait', { end: abort, cut: abort })
  const timer = setTimeout(abort, waitMs)
  if (raw.destroyed) abort()
  raw.once('close', abort)
  return {
    over: over.signal,
    end: () => {
      clearTimeout(timer)
      raw.off('close', abort)
      place.close()
    },
  }
}

/**
 * Resolves with what `look` found as soon as that is something, when an event came and it looked once more, or when
 * `until` aborts. It looks again once it would be told, so nothing falls between.
 */
export async function awaitEvent<T>(
  events: Pick<ApiDeps['events'], 'subscribe'>,
  wish: { readonly runId: string; readonly types: readonly EventName[] },
  look: () => Promise<T>,
  isSomething: (found: T) => boolean,
  until: AbortSignal,
): Promise<T> {
  const news = Promise.withResolvers<void>()
  if (until.aborted) news.resolve()
  until.addEventListener('abort', () => news.resolve(), { once: true })
  const { close } = await events.subscribe({
    runId: wish.runId,
    afterSequence: null,
    deliver: async (batch) => {
      if (batch.some(({ name }) => wants(wish.types, name))) news.resolve()
    },
    failed: (error) => news.reject(error),
  })
  try {
    const found = await look()
    if (isSomething(found) || until.aborted) return found
    await news.promise
    return await look()
  } finally {
    close()
    news.promise.catch(() => undefined) // told late: the look itself said what there is to say
  }
}
