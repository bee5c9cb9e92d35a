/** The words of the WebSocket, both ways. */
import { ApiError, isObject } from '../errors.ts'
import type { RunDelta, RunEvent } from '../types.ts'
import type { RunAttached, RunPlace } from './arrival.ts'
import type { Frame } from './connection.ts'

const typed = (name: string): string => `AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_${name}`

export const authenticate = (token: string): object => ({ type: typed('AUTHENTICATE'), token })

export const subscribe = (runId: string, after: number, deltas: boolean): object => ({
  type: typed('SUBSCRIBE'),
  run_subscription: { run_id: runId, after_sequence: after, deltas },
})

/** Which runs of many: those of a task, those whose tag starts so, or all. */
export type Selection = { readonly taskId: string } | { readonly tagPrefix: string } | 'all'

/** @param cursors the runs that are known, each with the number of the last event that came */
export function subscribeMany(
  selection: Selection,
  cursors: Readonly<Record<string, number>>,
  deltas: boolean,
): object {
  const which =
    selection === 'all'
      ? {}
      : 'taskId' in selection
        ? { task_id: selection.taskId }
        : { tag_prefix: selection.tagPrefix }
  const type = typed(selection === 'all' ? 'SUBSCRIBE_ALL' : 'SUBSCRIBE')
  return { type, run_subscription: { ...which, cursors, deltas } }
}

/** Of everything on this connection. */
export const unsubscribe = (): object => ({ type: typed('UNSUBSCRIBE_ALL') })

export function subscribedIn(frame: Frame): RunAttached | null {
  const value = frame['subscribed']
  if (!isObject(value)) return null
  const { through, status } = value
  return typeof through === 'number' && typeof status === 'string' ? { through, status } : null
}

export function placesIn(frame: Frame): readonly RunPlace[] | null {
  const value = frame['subscribed']
  if (!isObject(value) || !Array.isArray(value['runs'])) return null
  return value['runs'].filter(isObject).flatMap(({ run_id: runId, from }) => {
    return typeof runId === 'string' && typeof from === 'number' ? [{ runId, from }] : []
  })
}

/** Milliseconds since 1970 by the clock of the service, where a frame tells the time. */
export function timeIn({ connected, pong, run_event: event }: Frame): number | null {
  const teller = [connected, pong, event].find(isObject)
  const time = Date.parse(String(teller?.['timestamp']))
  return Number.isNaN(time) ? null : time
}

const isEvent = (value: unknown): value is RunEvent =>
  isObject(value) && typeof value['run_id'] === 'string' && typeof value['sequence'] === 'number'

export const eventIn = ({ run_event: event }: Frame): RunEvent | null => (isEvent(event) ? event : null)

const isDeltaBody = (value: unknown): value is RunDelta['delta'] =>
  isObject(value) && typeof value['text'] === 'string'

export function deltaIn({ run_id: runId, delta }: Frame): RunDelta | null {
  return typeof runId === 'string' && isDeltaBody(delta) ? { run_id: runId, delta } : null
}

/** What the service refuses over the socket; status 0, as there is none. */
export function errorIn({ error }: Frame): ApiError | null {
  return isObject(error) ? new ApiError(0, error) : null
}

/** Trying again would bring the same. */
export const isForGood = ({ code }: ApiError): boolean =>
  /^(NOT_FOUND|VALIDATION|POLICY|AUTH|SUBSCRIPTION|NOT_IMPLEMENTED)/.test(code)

/** Close codes after which coming back would not help: not known, not allowed, not there. */
const CLOSED_FOR_GOOD: ReadonlyMap<number, string> = new Map([
  [4401, 'AUTH_REQUIRED'],
  [4403, 'AUTH_FORBIDDEN'],
  [4404, 'NOT_FOUND_RUN'],
])

export function errorOfClose(closeCode: number): ApiError | null {
  const code = CLOSED_FOR_GOOD.get(closeCode)
  return code === undefined
    ? null
    : new ApiError(0, { code, message: `the service closed the watch with ${closeCode}` })
}
