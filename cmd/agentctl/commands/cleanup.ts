/** agentctl cleanup: what runs have left behind. */
import { rm } from 'node:fs/promises'
import type { Command } from 'commander'
import { messageOf } from '../../../internal/errors.ts'
import { confirm } from '../ask.ts'
import { findLeftovers, type Leftover } from '../cleanup/leftovers.ts'
import { lookAtSettings } from '../doctor/settings.ts'
import { Failed, UsageError } from '../exit.ts'
import type { OpenSession, Session } from '../session.ts'
import { table } from '../show/table.ts'
import { ago, plural } from '../show/words.ts'
import { wholeNumber } from './options.ts'

interface Given {
  olderThan: number
  dryRun?: boolean
  yes?: boolean
}

export function addCleanup(program: Command, open: OpenSession): void {
  program
    .command('cleanup')
    .description('remove what old runs have left behind: finished runs, their homes')
    .option('--older-than <days>', 'only what is older', wholeNumber(0, 36_500), 30)
    .option('--dry-run', 'only say what would go')
    .option('--yes', 'do not ask')
    .action(async ({ olderThan, dryRun = false, yes = false }: Given) => {
      const session = open()
      const { terminal } = session
      const { config } = lookAtSettings(session.env)
      const before = Date.now() - olderThan * 86_400_000
      const { leftovers, notes } = await findLeftovers(session.client, config?.dataDir ?? null, before)
      const goes = leftovers.filter(({ byItself }) => !byItself)
      if (dryRun || goes.length === 0) {
        terminal.answer({ dry_run: dryRun, leftovers, notes }, () =>
          listText(leftovers, notes, terminal.columns),
        )
        return
      }
      if (!yes && !terminal.canAsk)
        throw new UsageError('Removing needs --yes where nobody can be asked; --dry-run only lists.')
      terminal.say(listText(leftovers, notes, terminal.columns))
      if (!yes && !(await confirm(`Remove ${plural(goes.length, 'thing')}?`)))
        throw new Failed('Nothing was removed.')
      await removeAll(session, goes)
    })
}

async function removeAll({ client, terminal }: Session, goes: readonly Leftover[]): Promise<void> {
  const failures: string[] = []
  for (const one of goes) {
    try {
      if (one.kind === 'run') await client.runs.delete(one.name)
      else await rm(one.name, { recursive: true, force: true })
    } catch (error) {
      failures.push(`${one.name}: ${messageOf(error)}`)
    }
  }
  const removed = goes.length - failures.length
  terminal.answer({ removed, failures }, () => `Removed: ${removed}.`)
  if (failures.length > 0) throw new Failed(`not removed: ${failures.join('; ')}`)
}

function listText(leftovers: readonly Leftover[], notes: readonly string[], columns: number): string {
  if (leftovers.length === 0) return ['Nothing is left behind.', ...notes].join('\n')
  const rows = leftovers.map(({ kind, since, why, name }) => [
    kind,
    ago(new Date(since).toISOString()),
    why,
    name,
  ])
  return [table(['WHAT', 'SINCE', 'WHY', 'NAME'], rows, columns), ...notes].join('\n')
}
