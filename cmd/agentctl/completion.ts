/** Completion scripts, made from the commands as they are. They are static: completing asks nobody. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export interface CommandTree {
  readonly name: string
  readonly description: string
  readonly options: readonly { readonly name: string; readonly description: string }[]
  readonly commands: readonly CommandTree[]
}

export function completionScript(shell: Shell, tree: CommandTree): string {
  if (shell === 'fish') return fish(tree)
  const words = wordsOf(
    tree,
    '',
    tree.options.map(({ name }) => name),
  )
  return shell === 'bash'
    ? bash(words)
    : `#compdef agentctl\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`
}

/** What may follow each command: `run create` -> its options, and those that are for all. */
function wordsOf(tree: CommandTree, path: string, common: readonly string[]): (readonly [string, string])[] {
  const own = [...tree.commands.map(({ name }) => name), ...tree.options.map(({ name }) => name), ...common]
  const below = tree.commands.flatMap((command) => wordsOf(command, `${path} ${command.name}`.trim(), common))
  return [[path, [...new Set([...own, '--help'])].join(' ')], ...below]
}

const bash = (words: readonly (readonly [string, string])[]): string => `_agentctl() {
  local word path="" names=" ${words.map(([path]) => path.replaceAll(' ', '/')).join(' ')} "
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    case "$names" in *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;; esac
  done
  local all=""
  case "$path" in
${words.map(([path, all]) => `    "${path.replaceAll(' ', '/')}") all="${all}" ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$all" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _agentctl agentctl
`

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function fish(tree: CommandTree): string {
  const lines = ['complete -c agentctl -e']
  const option = (condition: string, { name, description }: CommandTree['options'][number]) =>
    lines.push(`complete -c agentctl${condition} -l ${name.replace(/^--/, '')} -d ${quoted(description)}`)
  for (const one of tree.options) option('', one)
  for (const command of tree.commands) {
    lines.push(
      `complete -c agentctl -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.description)}`,
    )
    const seen = `__fish_seen_subcommand_from ${command.name}`
    const below = command.commands.map(({ name }) => name).join(' ')
    for (const one of command.options) option(` -n ${quoted(seen)}`, one)
    for (const sub of command.commands) {
      const first = `${seen}; and not __fish_seen_subcommand_from ${below}`
      lines.push(`complete -c agentctl -n ${quoted(first)} -f -a ${sub.name} -d ${quoted(sub.description)}`)
      const inside = `${seen}; and __fish_seen_subcommand_from ${sub.name}`
      for (const one of sub.options) option(` -n ${quoted(inside)}`, one)
    }
  }
  return `${lines.join('\n')}\n`
}
