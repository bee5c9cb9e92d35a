/** What a watcher is told first: where it starts, where the log ends, what is open. */
import { protoName, RUN_STATUS } from '../dialect/enums.ts'
import { interactionView } from '../schemas/interaction.ts'
import type { Subscribed } from './run-watch.ts'

export const subscribedView = (subscribed: Subscribed) => ({
  run_id: subscribed.runId,
  from: subscribed.from,
  through: subscribed.through,
  status: protoName(RUN_STATUS, subscribed.status),
  ...sharedView(subscribed),
})

export const sharedView = ({
  pending,
  deltas,
  eventTypes,
}: Pick<Subscribed, 'pending' | 'deltas' | 'eventTypes'>) => ({
  pending_interactions: pending.map(interactionView),
  deltas,
  event_types: eventTypes,
})
