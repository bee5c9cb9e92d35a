/** agentctl run continue, interrupt, stop, stop-all, retry, fork, delete. */
import type { Command } from 'commander'
import { confirm } from '../ask.ts'
import { Failed, UsageError } from '../exit.ts'
import type { OpenSession } from '../session.ts'
import { statusWord } from '../show/words.ts'
import { wholeNumber } from './options.ts'

export function addRunControl(run: Command, open: OpenSession): void {
  addContinue(run, open)
  addEnds(run, open)
  addStopAll(run, open)
  addAgain(run, open)
}

function addContinue(run: Command, open: OpenSession): void {
  run
    .command('continue')
    .description('tell the agent more: in a turn of its own, or at once with --steer')
    .argument('<run>', 'its id')
    .argument('<message>', 'what it is told')
    .option('--steer', 'into the running turn')
    .action(async (id: string, message: string, { steer = false }: { steer?: boolean }) => {
      const { client, terminal } = open()
      const told = await client.runs.continue(id, { message, delivery: steer ? 'steer' : 'queue' })
      terminal.answer(told, () => `Told. Watch it: agentctl run watch ${id}`)
    })
}

function addEnds(run: Command, open: OpenSession): void {
  run
    .command('interrupt')
    .description('end the turn and keep the run')
    .argument('<run>', 'its id')
    .action(async (id: string) => {
      const { client, terminal, user } = open()
      const after = await client.runs.interrupt(id, { actor: user })
      terminal.answer({ run: after }, () => `The turn of run ${id} is being ended; the run stays.`)
    })

  run
    .command('stop')
    .description('end the run; what it did so far is kept until it is cleaned up')
    .argument('<run>', 'its id')
    .action(async (id: string) => {
      const { client, terminal, user } = open()
      const after = await client.runs.stop(id, { actor: user })
      terminal.answer(
        { run: after },
        () => `Run ${id} is being stopped (now ${statusWord(after.status, terminal.paint)}).`,
      )
    })

  run
    .command('delete')
    .description('remove a finished run; its events stay for auditors')
    .argument('<run>', 'its id')
    .action(async (id: string) => {
      const { client, terminal } = open()
      await client.runs.delete(id)
      terminal.answer({ deleted: id }, () => `Run ${id} is deleted.`)
    })
}

function addStopAll(run: Command, open: OpenSession): void {
  run
    .command('stop-all')
    .description('end every run that is not finished')
    .option('--tag <prefix>', 'only those whose tag starts so')
    .option('--yes', 'do not ask')
    .action(async ({ tag, yes = false }: { tag?: string; yes?: boolean }) => {
      const { client, terminal, user } = open()
      const which = tag === undefined ? 'every run that is not finished' : `every run tagged ${tag}…`
      if (!yes && !terminal.canAsk)
        throw new UsageError(`Stopping ${which} needs --yes where nobody can be asked.`)
      if (!yes && !(await confirm(`Stop ${which}?`))) throw new Failed('Nothing was stopped.')
      const result = await client.runs.stopAll({ actor: user, ...(tag !== undefined && { tag_prefix: tag }) })
      terminal.answer({ result }, () => `Stopped: ${result.stopped_count}.`)
      if (result.failures.length > 0) {
        throw new Failed(
          `not stopped: ${result.failures.map((one) => `${one.run_id} (${one.error})`).join(', ')}`,
        )
      }
    })
}

function addAgain(run: Command, open: OpenSession): void {
  run
    .command('retry')
    .description('the same again, as a run of its own')
    .argument('<run>', 'its id')
    .option('--prompt <text>', 'told to the agent instead')
    .option('--tag <tag>', 'the label of the new run')
    .action(async (id: string, changes: { prompt?: string; tag?: string }) => {
      const { client, terminal } = open()
      const made = await client.runs.retry(id, changes)
      terminal.answer({ run: made }, () => `Run ${made.id}\nWatch it: agentctl run watch ${made.id}`)
    })

  run
    .command('fork')
    .description('a run of its own that goes on from what this one knew')
    .argument('<run>', 'its id')
    .argument('[message]', 'what it is told')
    .option('--from-turn <number>', 'go off at the end of this turn', wholeNumber(1, 1_000_000))
    .action(async (id: string, message: string | undefined, { fromTurn }: { fromTurn?: number }) => {
      const { client, terminal } = open()
      const made = await client.runs.fork(id, {
        ...(message !== undefined && { message }),
        ...(fromTurn !== undefined && { from_turn: fromTurn }),
      })
      terminal.answer({ run: made }, () => `Run ${made.id}\nWatch it: agentctl run watch ${made.id}`)
    })
}
