/** agentctl completion: what a shell needs to complete commands and options. */
import { Argument, type Command } from 'commander'
import { type CommandTree, completionScript, SHELLS, type Shell } from '../completion.ts'
import type { OpenSession } from '../session.ts'

export function addCompletion(program: Command, open: OpenSession): void {
  program
    .command('completion')
    .description('a script for your shell: source <(agentctl completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => {
      const script = completionScript(shell, treeOf(program))
      open().terminal.answer({ shell, script }, () => script)
    })
}

const treeOf = (command: Command): CommandTree => ({
  name: command.name(),
  description: command.description(),
  options: command.options.flatMap(({ long, description }) => (long ? [{ name: long, description }] : [])),
  commands: command.commands.map(treeOf),
})
