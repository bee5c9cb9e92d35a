/**
 * The permissions of a turn. opencode does not offer a tool whose permission is denied, so lists of tools are kept
 * by what it offers. Pure.
 */
import type { PermissionMode, TurnRequest } from '../../../internal/runner/port.ts'
import { knownTool } from '../../../internal/runner/tools.ts'
import { permissionOf } from './tool-names.ts'

type Action = 'allow' | 'ask' | 'deny'
type Permissions = Readonly<Record<string, Action>>

export type PermissionFacts = Pick<
  TurnRequest,
  'permissionMode' | 'contained' | 'allowedTools' | 'deniedTools' | 'asksToWrite'
>

/**
 * `doom_loop` (the same call three times) always asks: the adapter answers it itself, so that the agent hears why
 * and goes on.
 */
const PLACES = { external_directory: 'ask', doom_loop: 'ask' } as const

/** Later rules win over earlier ones. */
const BY_MODE: Readonly<Record<PermissionMode, Permissions>> = {
  bypass: { '*': 'allow' },
  auto: { '*': 'allow', ...PLACES },
  ask: {
    '*': 'ask',
    read: 'allow',
    grep: 'allow',
    glob: 'allow',
    list: 'allow',
    lsp: 'allow',
    skill: 'allow',
    task: 'allow',
    question: 'allow',
    todowrite: 'allow',
    todoread: 'allow',
    ...PLACES,
  },
  read_only: { '*': 'allow', edit: 'deny', bash: 'deny', ...PLACES },
}

/** They change or run something: not offered where the run may only read. */
const CHANGING = ['edit', 'bash']

/** Tools that opencode tells apart only when it asks. */
const WRITING = ['write', 'edit'] as const

/** Rules that nothing can apply are left out: admission has refused them (`unknownTools`). */
export function permissionsOf(turn: PermissionFacts): Permissions {
  const base = turn.allowedTools.length === 0 ? byMode(turn) : listed(turn)
  const denied = turn.deniedTools.map(permissionOf).filter((name) => name !== null && name !== 'edit')
  return {
    ...base,
    ...((base['edit'] ?? base['*']) !== 'deny' && asksToEdit(turn) && { edit: 'ask' }),
    ...Object.fromEntries(denied.map((name) => [name, 'deny'])),
    ...(WRITING.every((tool) => names(turn.deniedTools, tool)) && { edit: 'deny' }),
  }
}

/** Without a container a command may reach anything, so `auto` does not let it pass by itself. */
const byMode = ({ permissionMode, contained }: PermissionFacts): Permissions =>
  permissionMode === 'auto' && !contained ? { ...BY_MODE.auto, bash: 'ask' } : BY_MODE[permissionMode]

/** Only these exist, and they need no asking; places do. */
function listed({ allowedTools, permissionMode }: PermissionFacts): Permissions {
  const offered = allowedTools
    .map(permissionOf)
    .filter((name) => name !== null)
    .filter((name) => permissionMode !== 'read_only' || !CHANGING.includes(name))
  return { '*': 'deny', ...PLACES, ...Object.fromEntries(offered.map((name) => [name, 'allow'])) }
}

/** The gate has to see each write: for its path, or because one of the tools that write is not to be used. */
function asksToEdit({ asksToWrite, allowedTools, deniedTools }: PermissionFacts): boolean {
  const offered = WRITING.filter((tool) => allowedTools.length === 0 || names(allowedTools, tool))
  const usable = offered.filter((tool) => !names(deniedTools, tool))
  return asksToWrite || usable.length === 1
}

const names = (rules: readonly string[], tool: (typeof WRITING)[number]): boolean =>
  rules.some((rule) => knownTool(rule) === tool)
