/** agentctl run watch. */
import type { Command } from 'commander'
import { follow } from '../follow.ts'
import type { OpenSession } from '../session.ts'
import { wholeNumber } from './options.ts'

export function addRunWatch(run: Command, open: OpenSession): void {
  run
    .command('watch')
    .description('follow it until its turn ends; Ctrl-C leaves it going')
    .argument('<run>', 'its id')
    .option('--after <number>', 'only what came after this event', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
    .option('--answer', 'answer here what the agent asks (on a terminal)')
    .action(async (id: string, { after, answer = false }: { after: number; answer?: boolean }) => {
      await follow(open(), id, { after, answer })
    })
}
