/** What is counted, wired to the parts that know. */
import { createPrometheusMetrics, type PrometheusMetrics } from '../../adapters/prometheus/index.ts'
import type { Database } from '../../internal/db/pool.ts'
import type { Engine } from '../../internal/engine/engine.ts'
import type { EventFeed } from '../../internal/event/event-feed.ts'
import { reading } from '../../internal/metrics.ts'
import { cachedCounts, countRuns } from '../../internal/run/status-counts.ts'

/** @param parts made later than what counts: asked only when somebody wants to see the metrics */
export function createMetrics(
  database: Database,
  parts: {
    engine(): Pick<Engine, 'load'>
    feed(): Pick<EventFeed, 'watched'>
    maxConcurrentRuns: number
  },
): PrometheusMetrics {
  const counts = cachedCounts(() => countRuns(database.db))
  const { engine } = parts
  return createPrometheusMetrics({
    runs: async () => [...((await counts()) ?? [])].map(([status, value]) => ({ labels: { status }, value })),
    runs_driven: () => reading(engine().load.runs),
    run_slots: () => reading(parts.maxConcurrentRuns),
    event_writer_queued_events: () => reading(engine().load.queuedEvents),
    event_writer_queued_bytes: () => reading(engine().load.queuedBytes),
    feed_watched: () => {
      const { runs, wide } = parts.feed().watched
      return [
        { labels: { kind: 'run' }, value: runs },
        { labels: { kind: 'many' }, value: wide },
      ]
    },
    db_pool_connections: () => {
      const { inUse, idle } = database.load()
      return [
        { labels: { state: 'in_use' }, value: inUse },
        { labels: { state: 'idle' }, value: idle },
      ]
    },
    db_pool_waiting: () => reading(database.load().waiting),
    db_pool_max: () => reading(database.load().max),
  })
}
