/** agentctl runner: the agent programs of the service's machine. */
import type { Command } from 'commander'
import type { Runner } from '../../../api/client/index.ts'
import { Failed } from '../exit.ts'
import type { OpenSession } from '../session.ts'
import { oneLine } from '../show/safe.ts'
import { table } from '../show/table.ts'
import { runnerWord } from '../show/words.ts'
import type { Paint } from '../terminal.ts'
import { RUNNERS } from './options.ts'

export function addRunner(program: Command, open: OpenSession): void {
  const runner = program.command('runner').description('the agent programs that can be used')

  runner
    .command('list')
    .description('which there are, in which version, and what is wrong with them')
    .action(async () => {
      const { client, terminal } = open()
      const runners = await client.runners.list()
      terminal.answer({ runners }, () => runnerTable(runners, terminal.paint, terminal.columns))
    })

  runner
    .command('probe')
    .description('start one to see whether it works')
    .argument('<runner>', RUNNERS.join(', '))
    .action(async (name: string) => {
      const { client, terminal } = open()
      const result = await client.runners.probe(name)
      terminal.answer({ result }, () =>
        result.success ? `${name} works (${result.latency_ms} ms).` : `${name} does not work.`,
      )
      if (!result.success) throw new Failed(result.error ?? `${name} does not work`)
    })
}

function runnerTable(runners: readonly Runner[], paint: Paint, columns: number): string {
  const rows = runners.map((one) => [
    runnerWord(one.runner_type),
    one.available
      ? one.version_supported
        ? paint('green', 'ready')
        : paint('yellow', 'untested')
      : paint('red', 'no'),
    one.version ?? '',
    one.containment,
    oneLine(one.message, 200),
  ])
  return table(['RUNNER', 'USABLE', 'VERSION', 'CONTAINED', 'WHAT'], rows, columns)
}
