/** The CLI's names of tools in our words, and our rules in its words. Pure. */
import { knownTool, type Tool } from '../../../internal/runner/tools.ts'

/** What each of our tools is called there (2.1.x). There is no tool that only lists: `Glob` does it. */
const NATIVE_OF: Readonly<Record<Tool, readonly string[]>> = {
  read: ['Read'],
  write: ['Write'],
  edit: ['Edit', 'NotebookEdit'],
  shell: ['Bash'],
  search: ['Grep'],
  glob: ['Glob'],
  list: ['Glob'],
  web_fetch: ['WebFetch'],
  web_search: ['WebSearch'],
  task: ['Task'],
}

/** Tools of its own that a rule may name as they stand. */
const NATIVE: ReadonlySet<string> = new Set([
  ...Object.values(NATIVE_OF).flat(),
  'AskUserQuestion',
  'EnterPlanMode',
  'ExitPlanMode',
  'ReportFindings',
  'Skill',
  'TaskCreate',
  'TaskGet',
  'TaskList',
  'TaskStop',
  'TaskUpdate',
  'ToolSearch',
  'Workflow',
])

const MCP_TOOL = /^mcp__(.+?)__(.+)$/
const MCP_RULE = /^mcp:([A-Za-z0-9_-]+)(?::([A-Za-z0-9_.-]+))?$/
const WITH_ARGUMENT = /^([A-Za-z_]+)\(([^\n]+)\)$/

/** Our name of a tool; what we have no word for passes as it is. */
export function ourToolName(name: string): string {
  const mcp = MCP_TOOL.exec(name)
  return mcp === null ? (knownTool(name) ?? name) : `mcp:${mcp[1]}:${mcp[2]}`
}

/** A rule in the CLI's words: whole tools, or one tool with an argument. Null: nothing there can apply it. */
interface NativeRule {
  readonly tools: readonly string[]
  /** As the CLI writes it: `Bash(git log:*)`; null: the tools as a whole. */
  readonly rule: string | null
  readonly isMcp: boolean
}

/** @param rule as tools.ts says */
export function nativeRule(rule: string): NativeRule | null {
  const mcp = MCP_RULE.exec(rule)
  if (mcp !== null)
    return {
      tools: [mcp[2] === undefined ? `mcp__${mcp[1]}` : `mcp__${mcp[1]}__${mcp[2]}`],
      rule: null,
      isMcp: true,
    }
  const argument = WITH_ARGUMENT.exec(rule)
  const tools = nativeTools(argument?.[1] ?? rule)
  const [first] = tools
  if (first === undefined) return null
  if (argument === null) return { tools, rule: null, isMcp: false }
  return { tools: [first], rule: `${first}(${argument[2]})`, isMcp: false }
}

function nativeTools(name: string): readonly string[] {
  if (NATIVE.has(name)) return [name]
  const known = knownTool(name)
  return known === null ? [] : NATIVE_OF[known]
}

/** The rules that the CLI has no words for. */
export const unknownTools = (rules: readonly string[]): string[] =>
  rules.filter((rule) => nativeRule(rule) === null)
