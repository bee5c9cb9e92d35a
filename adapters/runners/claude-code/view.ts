/** What is known of a turn so far, and what a line of the CLI means for it. Changed by the mapping only. */
import type { EventPayload, NewEvent } from '../../../internal/event/event.ts'
import type { Delta } from '../../../internal/runner/port.ts'
import { emptyLedger, type Ledger } from './usage.ts'
import type { ControlAnswer, ControlRequest, Init, Result } from './wire.ts'

const MAX_RAW_LENGTH = 64 * 1024

export type Signal =
  | { readonly kind: 'event'; readonly event: NewEvent }
  | { readonly kind: 'delta'; readonly delta: Delta }
  | { readonly kind: 'asked'; readonly asked: ControlRequest }
  | { readonly kind: 'withdrawn'; readonly requestId: string }
  | { readonly kind: 'answered'; readonly answer: ControlAnswer }
  | { readonly kind: 'init'; readonly init: Init }
  | { readonly kind: 'modelCall' }
  /** What became of a message of ours. */
  | { readonly kind: 'input'; readonly id: string; readonly state: string }
  | { readonly kind: 'result'; readonly result: Result }

export interface TurnView {
  /** Calls without a result: id -> our name of the tool. */
  readonly openTools: Map<string, string>
  readonly ledger: Ledger
  isReady: boolean
  /** Id of the message that streams; null: none of the agent itself does. */
  streaming: string | null
  modelCalls: number
  toolCalls: number
  lastText: string
  /** The CLI's word for why a model call failed for good; null: none did since the last answer. */
  apiError: string | null
}

/** @param isResumed whether the CLI's totals begin with those of earlier turns */
export const createTurnView = (isResumed: boolean): TurnView => ({
  openTools: new Map(),
  ledger: emptyLedger(isResumed),
  isReady: false,
  streaming: null,
  modelCalls: 0,
  toolCalls: 0,
  lastText: '',
  apiError: null,
})

export const told = (payload: EventPayload, raw?: string): Signal => ({
  kind: 'event',
  event: raw === undefined || raw.length > MAX_RAW_LENGTH ? { payload } : { payload, raw },
})

export const log = (level: 'debug' | 'info' | 'warn' | 'error', message: string, raw?: string): Signal =>
  told({ log: { level, message } }, raw)

/** Results for the calls that the end of the turn cut off. */
export function unfinishedTools(view: TurnView): NewEvent[] {
  const open = [...view.openTools]
  view.openTools.clear()
  return open.map(([id, name]) => ({
    payload: {
      tool_result: {
        tool_name: name,
        tool_call_id: id,
        output: '',
        error: 'the turn ended before the tool did',
        success: false,
      },
    },
    synthetic: true,
  }))
}
