/**
 * Everything that is counted, in one table, and the port that the product tells it to. Labels are bounded: route
 * patterns, never paths; classes and codes, never ids or names that users choose.
 */
export interface Spec {
  readonly help: string
  readonly labels: readonly string[]
}

/** Only ever grow. */
export const COUNTERS = {
  http_requests_total: {
    help: 'Requests answered, by route pattern, method and class of status.',
    labels: ['route', 'method', 'status'],
  },
  errors_total: { help: 'Error answers over HTTP, by code.', labels: ['code'] },
  http_connections_dropped_total: {
    help: 'Connections refused because too many were open.',
    labels: [],
  },
  runs_claimed_total: { help: 'Turns this replica took from the queue.', labels: ['runner'] },
  runs_started_total: { help: 'Turns whose agent was about to be started.', labels: ['runner'] },
  runs_ended_total: {
    help: 'Turns this replica drove to an end, or let go of, by outcome.',
    labels: ['runner', 'outcome'],
  },
  run_transitions_total: { help: 'Status changes written by this replica.', labels: ['from', 'to'] },
  run_failures_total: { help: 'Runs that failed, by failure code.', labels: ['code'] },
  leases_lost_total: {
    help: 'Turns given up because their lease was gone or not trusted any more.',
    labels: [],
  },
  takeovers_total: {
    help: 'Runs of other replicas, or of a former life, whose lease ran out, by what became of them.',
    labels: ['status'],
  },
  events_appended_total: { help: 'Events this replica committed, by type.', labels: ['type'] },
  event_batches_total: { help: 'Batches of events this replica committed.', labels: [] },
  event_writer_waits_total: {
    help: 'Times an agent had to wait because too many of its events were not yet committed.',
    labels: [],
  },
  interactions_total: {
    help: 'Questions and permission requests of agents, by status reached.',
    labels: ['status'],
  },
  approvals_total: { help: 'Decisions on diffs, by action and outcome.', labels: ['action', 'outcome'] },
  stream_waits_total: {
    help: 'Times a stream had more to send than its reader had taken, and waited for it.',
    labels: [],
  },
  stream_deltas_dropped_total: {
    help: 'Texts on their way that were not sent because the reader was behind.',
    labels: [],
  },
  stream_readers_sent_away_total: {
    help: 'Streams closed because their reader took nothing for too long, or asked without reading.',
    labels: [],
  },
} as const satisfies Record<string, Spec>

/** Distributions of seconds. */
export const TIMERS = {
  http_request_duration_seconds: {
    help: 'From the first byte of a request to the last of its answer.',
    labels: ['route', 'method'],
  },
  run_queue_wait_seconds: { help: 'From pending to claimed, by the database clock.', labels: ['runner'] },
  run_duration_seconds: {
    help: 'From the claim of a turn to its end, waiting for people included.',
    labels: ['runner', 'outcome'],
  },
  run_stage_seconds: {
    help: 'Where the time of a turn goes: sandbox, launch, first_event, agent, collect.',
    labels: ['stage'],
  },
  append_duration_seconds: {
    help: 'One committed batch of a run, from the statement sent to its answer.',
    labels: [],
  },
  sandbox_call_duration_seconds: {
    help: 'Calls of the workspace-sandbox service.',
    labels: ['operation', 'outcome'],
  },
} as const satisfies Record<string, Spec>

/** Go up and down as things begin and end. */
export const GAUGES = {
  http_requests_in_flight: { help: 'Requests being served, streams and probes left out.', labels: [] },
  http_body_bytes_in_flight: {
    help: 'Bytes reserved for request bodies that are being received or handled.',
    labels: [],
  },
  streams_open: { help: 'Open WebSockets, and answers that last as long as their client wants.', labels: [] },
  agent_processes: { help: 'Agent processes alive that this replica started.', labels: [] },
} as const satisfies Record<string, Spec>

/** Looked up when somebody asks for the metrics. */
export const READINGS = {
  runs: {
    help: 'Runs by status: pending, starting and running exactly, the others among the newest 10000.',
    labels: ['status'],
  },
  runs_driven: { help: 'Runs this replica drives.', labels: [] },
  run_slots: { help: 'Runs this replica may drive at once.', labels: [] },
  event_writer_queued_events: { help: 'Events of driven runs that wait for their commit.', labels: [] },
  event_writer_queued_bytes: {
    help: 'Characters of those events; a run that reaches its limit makes its agent wait.',
    labels: [],
  },
  feed_watched: { help: 'What is watched live: single runs, and watchers of many.', labels: ['kind'] },
  db_pool_connections: { help: 'Database connections by state.', labels: ['state'] },
  db_pool_waiting: { help: 'Statements that wait for a database connection.', labels: [] },
  db_pool_max: { help: 'Database connections at most.', labels: [] },
} as const satisfies Record<string, Spec>

type Catalogue = Record<string, Spec>
type Labels<C extends Catalogue, N extends keyof C> = { readonly [L in C[N]['labels'][number]]: string }

/** None of these ever throws or waits: counting must not change what is counted. */
export interface Metrics {
  count<N extends keyof typeof COUNTERS>(name: N, labels: Labels<typeof COUNTERS, N>, by?: number): void
  observe<N extends keyof typeof TIMERS>(name: N, labels: Labels<typeof TIMERS, N>, seconds: number): void
  move(name: keyof typeof GAUGES, by: number): void
}

export type ReadingName = keyof typeof READINGS

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What cannot be known at the moment has no sample. Must not reject. */
export type Readings = {
  readonly [N in ReadingName]: () => readonly Sample[] | Promise<readonly Sample[]>
}

/** A reading without labels. */
export const reading = (value: number): readonly Sample[] => [{ labels: {}, value }]

/** Where nobody counts. */
export const NO_METRICS: Metrics = { count: () => {}, observe: () => {}, move: () => {} }

/** Seconds since a moment of the monotonic clock (`performance.now()`). */
export const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1000
