/** What the CLI is told of tools and rules: the tools it offers, and which of them it must ask for. Pure. */
import type { TurnRequest } from '../../../internal/runner/port.ts'
import { nativeRule } from './tool-names.ts'

/** They write, run, or leave the machine: without a rule of ours the CLI lets harmless commands pass unasked. */
const ASKED = ['Bash', 'Write', 'Edit', 'NotebookEdit', 'WebFetch', 'WebSearch'] as const

/** They change or run something: not offered where the run may only read. */
const CHANGING = ['Bash', 'Write', 'Edit', 'NotebookEdit'] as const

/** They outlive the turn, or leave the working folder for another one: of no use in a turn that ends. */
const UNFIT = [
  'CronCreate',
  'CronDelete',
  'CronList',
  'EnterWorktree',
  'ExitWorktree',
  'ListAgents',
  'Monitor',
  'ScheduleWakeup',
  'SendMessage',
] as const

export interface ToolSettings {
  /** Value of `--tools`; null: all it has. */
  readonly tools: string | null
  /** Value of `--settings`. */
  readonly settings: string
  /** Tools that only calls which fit a rule with an argument may use: what is asked for them does not fit. */
  readonly byRuleOnly: ReadonlySet<string>
}

type Asked = Pick<TurnRequest, 'allowedTools' | 'deniedTools' | 'permissionMode' | 'mcpServers'>

/** Rules that nothing can apply are left out: admission has refused them (`unknownTools`). */
export function toolSettings(turn: Asked): ToolSettings {
  const allowed = turn.allowedTools.map(nativeRule).filter((rule) => rule !== null)
  const denied = turn.deniedTools.map(nativeRule).filter((rule) => rule !== null)
  const isWhole = (tool: string): boolean =>
    allowed.some((one) => one.rule === null && one.tools.includes(tool))
  const byRule = allowed.filter((one) => one.rule !== null && !one.tools.some(isWhole))
  const byRuleOnly = new Set(byRule.flatMap((one) => one.tools))
  const offered = allowed.filter((one) => !one.isMcp).flatMap((one) => one.tools)
  return {
    tools: turn.allowedTools.length === 0 ? null : [...new Set(offered)].join(','),
    settings: JSON.stringify({
      permissions: {
        // An `ask` rule beats an `allow` rule, so tools with arguments are left to their rules.
        ask: [
          ...ASKED.filter((tool) => !byRuleOnly.has(tool)),
          ...turn.mcpServers.map((server) => `mcp__${server.name}`),
        ],
        allow: byRule.map((one) => one.rule),
        deny: [
          ...UNFIT,
          ...(turn.permissionMode === 'read_only' ? CHANGING : []),
          ...denied.flatMap((one) => one.rule ?? one.tools),
        ],
      },
    }),
    byRuleOnly,
  }
}
