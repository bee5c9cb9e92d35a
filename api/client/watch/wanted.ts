/** Events by type or payload member. */
import type { RunEvent } from '../types.ts'

/** @param eventTypes `RUN_EVENT_TYPE_MESSAGE`, `message`, `rate_limit`; none: all events */
export function wanted(eventTypes: readonly string[] | undefined): (event: RunEvent) => boolean {
  if (eventTypes === undefined || eventTypes.length === 0) return () => true
  const names = new Set(eventTypes.map((name) => name.toLowerCase().replace(/^run_event_type_/, '')))
  return (event) =>
    names.has(event.event_type.replace(/^RUN_EVENT_TYPE_/, '').toLowerCase()) ||
    Object.keys(event).some((member) => names.has(member))
}
