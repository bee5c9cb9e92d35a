/** Our neutral tool calls in the words of the CLI that asks, chosen by the tools its request offers. */
import { isAbsolute, join } from 'node:path'
import type { ToolCall } from './scenario.ts'

export interface OfferedTool {
  readonly name: string
  /** `custom`: the input is free text (codex's apply_patch). */
  readonly kind: 'function' | 'custom'
}

export interface CliToolCall {
  readonly id: string
  readonly name: string
  readonly kind: 'function' | 'custom'
  /** An object for a function, text for a custom tool. */
  readonly input: Readonly<Record<string, unknown>> | string
}

/** Argument makers by the name a CLI gives the tool; the first offered one is taken. */
type Candidates = Readonly<Record<string, () => Readonly<Record<string, unknown>> | string>>

/**
 * Translates a call. null: the CLI offers no tool for it.
 * @param cwd where relative paths begin; null leaves them as they are
 */
export function translate(
  call: ToolCall,
  offered: readonly OfferedTool[],
  cwd: string | null,
  id: string,
): CliToolCall | null {
  const callId = call.id ?? id
  if (call.tool === 'raw') return { id: callId, name: call.name, kind: 'function', input: call.input }
  for (const [name, input] of Object.entries(candidates(call, cwd, offered))) {
    const tool = offered.find((one) => one.name === name)
    if (tool !== undefined) return { id: callId, name, kind: tool.kind, input: input() }
  }
  return null
}

function candidates(
  call: Exclude<ToolCall, { tool: 'raw' }>,
  cwd: string | null,
  offered: readonly OfferedTool[],
): Candidates {
  const full = (path: string): string => (cwd === null || isAbsolute(path) ? path : join(cwd, path))
  switch (call.tool) {
    case 'write': {
      const body = [`*** Add File: ${call.path}`, ...lines(call.content).map((line) => `+${line}`)]
      return {
        write: () => ({ filePath: full(call.path), content: call.content }),
        Write: () => ({ file_path: full(call.path), content: call.content }),
        ...patchCandidates(body, offered),
      }
    }
    case 'edit': {
      const body = [
        `*** Update File: ${call.path}`,
        '@@',
        ...lines(call.old).map((line) => `-${line}`),
        ...lines(call.new).map((line) => `+${line}`),
      ]
      return {
        edit: () => ({ filePath: full(call.path), oldString: call.old, newString: call.new }),
        Edit: () => ({ file_path: full(call.path), old_string: call.old, new_string: call.new }),
        ...patchCandidates(body, offered),
      }
    }
    case 'read':
      return {
        read: () => ({ filePath: full(call.path) }),
        Read: () => ({ file_path: full(call.path) }),
        ...shellCandidates(`cat ${quote(call.path)}`),
      }
    case 'shell':
      return shellCandidates(call.command)
    case 'search':
      return {
        grep: () => ({ pattern: call.pattern }),
        Grep: () => ({ pattern: call.pattern }),
        ...shellCandidates(`grep -rn -e ${quote(call.pattern)} .`),
      }
    case 'glob':
      return {
        glob: () => ({ pattern: call.pattern }),
        Glob: () => ({ pattern: call.pattern }),
        ...shellCandidates(`find . -name ${quote(call.pattern)}`),
      }
  }
}

function shellCandidates(command: string): Candidates {
  const described = () => ({ command, description: 'Runs a command of the script' })
  return {
    bash: described,
    Bash: described,
    exec_command: () => ({ cmd: command }),
    shell_command: () => ({ command }),
    shell: () => ({ command: ['bash', '-lc', command] }),
  }
}

/** `apply_patch` is free text for codex and a function for opencode. */
function patchCandidates(body: readonly string[], offered: readonly OfferedTool[]): Candidates {
  const patch = ['*** Begin Patch', ...body, '*** End Patch', ''].join('\n')
  const custom = offered.some((tool) => tool.name === 'apply_patch' && tool.kind === 'custom')
  return {
    apply_patch: () => (custom ? patch : { patchText: patch, input: patch }),
    ...shellCandidates(`apply_patch <<'SCRIPTED_PATCH'\n${patch}SCRIPTED_PATCH`),
  }
}

const lines = (text: string): string[] => text.replace(/\n$/, '').split('\n')

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
