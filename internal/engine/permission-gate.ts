/**
 * What the agent may do without a person, by the run's rules and its permission mode. Rules come first: what a
 * profile denies no mode allows, and what it lists as allowed needs no asking. Pure.
 */
import { relative } from 'node:path'
import { minimatch } from 'minimatch'
import type { RunConfig } from '../run/run.ts'
import type { PermissionRequest } from '../runner/port.ts'
import { coversTool } from '../runner/tools.ts'

export type Verdict =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny'; readonly message: string }
  | { readonly kind: 'ask' }

export interface GateFacts {
  readonly config: Pick<
    RunConfig,
    'permissionMode' | 'allowedTools' | 'deniedTools' | 'allowedPaths' | 'deniedPaths'
  >
  /** Whether the agent can reach nothing but its sandbox. */
  readonly contained: boolean
  /** Absolute path of the view of the project root. */
  readonly root: string
}

/** Hidden files are files too; a glob is only a glob. */
const GLOBS = { dot: true, nocomment: true, nonegate: true } as const

type Asked = Pick<PermissionRequest, 'toolName' | 'reach' | 'path'>

const ALLOW: Verdict = { kind: 'allow' }
const ASK: Verdict = { kind: 'ask' }
const deny = (message: string): Verdict => ({ kind: 'deny', message })

const READING = ['read', 'search', 'glob', 'list']
const WRITING = ['write', 'edit']

export function judge(facts: GateFacts, asked: Asked): Verdict {
  const { config } = facts
  const { toolName } = asked
  if (config.deniedTools.some((rule) => coversTool(rule, toolName)))
    return deny(`The tool ${toolName} is not allowed in this run.`)
  const isListed = config.allowedTools.some((rule) => coversTool(rule, toolName))
  if (config.allowedTools.length > 0 && !isListed && !isRuleOf(config.allowedTools, toolName))
    return deny(`Only these tools exist in this run: ${config.allowedTools.join(', ')}.`)
  const path = judgePath(facts, asked)
  if (path !== null) return path
  if (config.permissionMode === 'read_only') return judgeReadOnly(asked)
  return isListed ? ALLOW : judgeByMode(facts, asked)
}

/** A rule with an argument, as `Bash(git log:*)`: the runner has applied it before it asked. */
const isRuleOf = (rules: readonly string[], toolName: string): boolean =>
  rules.some((rule) => rule.includes('(') && coversTool(rule.slice(0, rule.indexOf('(')), toolName))

function judgePath({ config, root }: GateFacts, { toolName, path }: Asked): Verdict | null {
  if (!WRITING.includes(toolName)) return null
  if (config.allowedPaths.length === 0 && config.deniedPaths.length === 0) return null
  if (path === null) return deny('In this run files are changed one at a time, each by its full path.')
  const way = relative(root, path)
  const matches = (globs: readonly string[]) => globs.some((glob) => minimatch(way, glob, GLOBS))
  if (matches(config.deniedPaths)) return deny(`${way} must not be written in this run.`)
  if (config.allowedPaths.length > 0 && !matches(config.allowedPaths))
    return deny(`Only these paths may be written in this run: ${config.allowedPaths.join(', ')}.`)
  return null
}

function judgeReadOnly({ toolName, reach }: Asked): Verdict {
  if (reach === 'inside' && (READING.includes(toolName) || toolName === 'task')) return ALLOW
  return deny(`This run may only read: ${toolName} is not allowed.`)
}

function judgeByMode({ config, contained }: GateFacts, { toolName, reach }: Asked): Verdict {
  if (config.permissionMode === 'bypass') return ALLOW
  // A task is an agent of the agent: what it does is asked again, each time.
  if (toolName === 'task') return ALLOW
  if (config.permissionMode === 'ask') return reach === 'inside' && READING.includes(toolName) ? ALLOW : ASK
  if (reach === 'outside') return ASK
  return toolName === 'shell' && !contained ? ASK : ALLOW
}
