/** The metrics port as Prometheus text, with prom-client. One registry a service: nothing is global. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import {
  COUNTERS,
  GAUGES,
  type Metrics,
  READINGS,
  type ReadingName,
  type Readings,
  type Spec,
  TIMERS,
} from '../../internal/metrics.ts'

const PREFIX = 'agent_manager_'

/** Seconds, from a fast statement to a turn of two hours; few, because each is a series per route and runner. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 60, 300, 1800, 7200]

export interface PrometheusMetrics extends Metrics {
  /** The state of everything, now. Never rejects as long as the readings do not. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
}

/** @param readings asked at each exposition */
export function createPrometheusMetrics(readings: Readings): PrometheusMetrics {
  const registry = new Registry()
  const options = (name: string, { help, labels }: Spec) => ({
    name: `${PREFIX}${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  })
  const counters = made(COUNTERS, (name, spec) => new Counter(options(name, spec)))
  const timers = made(TIMERS, (name, spec) => new Histogram({ ...options(name, spec), buckets: BUCKETS }))
  const gauges = made(GAUGES, (name, spec) => new Gauge(options(name, spec)))
  for (const [name, read] of Object.entries(readings)) {
    if (isReading(name)) addReading(options(name, READINGS[name]), read)
  }
  collectDefaultMetrics({ register: registry, prefix: PREFIX })
  return {
    count: (name, labels, by = 1) => counters.get(name)?.inc(labels, by),
    observe: (name, labels, seconds) => timers.get(name)?.observe(labels, seconds),
    move: (name, by) => gauges.get(name)?.inc(by),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}

const made = <M>(
  catalogue: Readonly<Record<string, Spec>>,
  make: (name: string, spec: Spec) => M,
): ReadonlyMap<string, M> =>
  new Map(Object.entries(catalogue).map(([name, spec]) => [name, make(name, spec)]))

const isReading = (name: string): name is ReadingName => Object.hasOwn(READINGS, name)

function addReading(options: ConstructorParameters<typeof Gauge>[0], read: Readings[ReadingName]): Gauge {
  return new Gauge({
    ...options,
    async collect() {
      const samples = await read()
      this.reset() // what has no sample any more is not known any more
      for (const { labels, value } of samples) this.set(labels, value)
    },
  })
}
