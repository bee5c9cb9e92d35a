/**
 * The answers that stay open: how many of each kind there may be, how many there are, and how they end when the
 * service stops, so that clients come back to one that serves.
 */
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import { SOCKET_FAREWELL_MS, type StreamKind } from '../limits.ts'

export interface OpenStream {
  /** Ends it in good order; the reader knows how to go on. */
  end(): void
  /** Ends it at once. */
  cut(): void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** How many answers of each kind are open just now. */
    readonly openStreams: Pick<OpenStreams, 'count'>
  }
}

const WHAT: Readonly<Record<StreamKind, string>> = {
  websocket: 'WebSockets',
  sse: 'event streams',
  wait: 'waiting requests',
  export: 'exports of a log',
}

export class OpenStreams {
  readonly #limits: Readonly<Record<StreamKind, number>>
  readonly #open = new Map<StreamKind, Set<OpenStream>>()
  #emptied: (() => void) | null = null
  #drained: Promise<void> | null = null

  constructor(limits: Readonly<Record<StreamKind, number>>) {
    this.#limits = limits
  }

  count(kind: StreamKind): number {
    return this.#open.get(kind)?.size ?? 0
  }

  /** Throws CAPACITY_CONNECTIONS where there is no room for one more, DRAINING where the service stops. */
  checkRoom(kind: StreamKind): void {
    if (this.#drained) throw new AppError('DRAINING', 'The service is stopping; send the request again.')
    const most = this.#limits[kind]
    if (this.count(kind) < most) return
    throw new AppError(
      'CAPACITY_CONNECTIONS',
      `This replica serves ${most} ${WHAT[kind]} already; try again later.`,
    )
  }

  /** Counts one until `close`. Throws as `checkRoom`. */
  open(kind: StreamKind, stream: OpenStream): { close(): void } {
    this.checkRoom(kind)
    const streams = this.#open.get(kind) ?? new Set()
    this.#open.set(kind, streams.add(stream))
    return {
      close: () => {
        streams.delete(stream)
        if (this.#all().length === 0) this.#emptied?.()
      },
    }
  }

  /** Ends all, waits for them a moment, then cuts what is left. No new ones from now on. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain()
    return this.#drained
  }

  async #drain(): Promise<void> {
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
    const streams = this.#all()
    if (streams.length === 0) return
    const deadline = setTimeout(() => {
      for (const stream of this.#all()) stream.cut()
    }, SOCKET_FAREWELL_MS)
    for (const stream of streams) stream.end()
    await emptied
    clearTimeout(deadline)
  }

  #all(): OpenStream[] {
    return [...this.#open.values()].flatMap((streams) => [...streams])
  }
}

/** The streams of a server: they end before it closes. */
export function addOpenStreams(
  app: FastifyInstance,
  limits: Readonly<Record<StreamKind, number>>,
): OpenStreams {
  const streams = new OpenStreams(limits)
  app.decorate('openStreams', streams)
  app.addHook('preClose', () => streams.drain())
  return streams
}
