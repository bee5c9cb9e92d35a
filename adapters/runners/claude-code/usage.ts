/**
 * What a turn used. The CLI's totals go on over all results of a process and over `--resume`, so each result's
 * share is taken: as the CLI says it (`model_usage_since_last_result`), or as the difference to the totals before,
 * or, for the first result of a resumed session of a CLI that does not say it, from its per-turn tokens without a
 * cost. Calls that no result accounts for (a crash) are counted from the stream, without a cost. Pure.
 */
import type { EventPayload } from '../../../internal/event/event.ts'
import type { Usage } from '../../../internal/runner/port.ts'
import type { ModelUsage, Result, Tokens } from './wire.ts'

type Cost = Extract<EventPayload, { readonly cost: unknown }>

interface Streamed {
  readonly model: string | null
  tokens: Tokens
}

export interface Ledger {
  usage: Usage
  /** The CLI's totals at the last result; null: it resumed a session, and they are not known. */
  totals: ModelUsage | null
  /** Model calls since the last result, by message id. */
  readonly streamed: Map<string, Streamed>
}

export const emptyLedger = (isResumed: boolean): Ledger => ({
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0, totalCostUsd: 0 },
  totals: isResumed ? null : {},
  streamed: new Map(),
})

/** A model call began. */
export function noteCall(ledger: Ledger, id: string, model: string | null, tokens: Tokens): void {
  ledger.streamed.set(id, { model, tokens })
}

/** A model call says what it used so far: the numbers are those of the whole call. */
export function noteTokens(ledger: Ledger, id: string, tokens: Tokens): void {
  const call = ledger.streamed.get(id)
  if (call === undefined) return
  call.tokens = {
    input_tokens: Math.max(call.tokens.input_tokens, tokens.input_tokens),
    output_tokens: Math.max(call.tokens.output_tokens, tokens.output_tokens),
    cache_read_input_tokens: Math.max(call.tokens.cache_read_input_tokens, tokens.cache_read_input_tokens),
    cache_creation_input_tokens: Math.max(
      call.tokens.cache_creation_input_tokens,
      tokens.cache_creation_input_tokens,
    ),
  }
}

/** What this result adds, per model. */
export function settle(ledger: Ledger, result: Result): Cost[] {
  const before = ledger.totals
  ledger.totals = result.modelUsage
  ledger.streamed.clear()
  const share =
    result.model_usage_since_last_result ?? (before === null ? null : difference(result.modelUsage, before))
  const costs =
    share === null
      ? result.usage === undefined
        ? []
        : [costOf(null, result.usage, null)]
      : Object.entries(share).map(([model, used]) =>
          costOf(
            model,
            {
              input_tokens: used.inputTokens,
              output_tokens: used.outputTokens,
              cache_read_input_tokens: used.cacheReadInputTokens,
              cache_creation_input_tokens: used.cacheCreationInputTokens,
            },
            used.costUSD,
          ),
        )
  return book(ledger, costs)
}

/** What was streamed and no result accounts for; called when no result comes any more. */
export function settleStreamed(ledger: Ledger): Cost[] {
  const calls = [...ledger.streamed.values()]
  ledger.streamed.clear()
  return book(
    ledger,
    calls.map(({ model, tokens }) => costOf(model, tokens, null)),
  )
}

function difference(totals: ModelUsage, before: ModelUsage): ModelUsage {
  const share: ModelUsage = {}
  for (const [model, now] of Object.entries(totals)) {
    const then = before[model]
    share[model] = {
      inputTokens: now.inputTokens - (then?.inputTokens ?? 0),
      outputTokens: now.outputTokens - (then?.outputTokens ?? 0),
      cacheReadInputTokens: now.cacheReadInputTokens - (then?.cacheReadInputTokens ?? 0),
      cacheCreationInputTokens: now.cacheCreationInputTokens - (then?.cacheCreationInputTokens ?? 0),
      costUSD: now.costUSD - (then?.costUSD ?? 0),
    }
  }
  return share
}

function costOf(model: string | null, tokens: Tokens, costUsd: number | null): Cost {
  return {
    cost: {
      input_tokens: tokens.input_tokens,
      output_tokens: tokens.output_tokens,
      cache_creation_tokens: tokens.cache_creation_input_tokens,
      cache_read_tokens: tokens.cache_read_input_tokens,
      total_cost_usd: costUsd,
      model,
      cost_source: costUsd === null ? 'unknown' : 'runner_reported',
    },
  }
}

/** Adds to the turn's usage; a cost that is not known makes the sum unknown. Nothing used is not told. */
function book(ledger: Ledger, costs: readonly Cost[]): Cost[] {
  const told = costs.filter(({ cost }) => sumOf(cost) > 0)
  for (const { cost } of told) {
    const { usage } = ledger
    const known = usage.totalCostUsd !== null && cost.total_cost_usd !== null
    ledger.usage = {
      inputTokens: usage.inputTokens + cost.input_tokens,
      outputTokens: usage.outputTokens + cost.output_tokens,
      cacheReadTokens: usage.cacheReadTokens + cost.cache_read_tokens,
      cacheCreationTokens: usage.cacheCreationTokens + cost.cache_creation_tokens,
      totalCostUsd: known ? (usage.totalCostUsd ?? 0) + (cost.total_cost_usd ?? 0) : null,
    }
  }
  return told
}

const sumOf = (cost: Cost['cost']): number =>
  cost.input_tokens +
  cost.output_tokens +
  cost.cache_creation_tokens +
  cost.cache_read_tokens +
  (cost.total_cost_usd ?? 0)
