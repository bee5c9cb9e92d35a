/** agentctl run list, get, diff, messages, explain. */
import type { Command } from 'commander'
import type { Explanation, RunFilter } from '../../../api/client/index.ts'
import { first } from '../first.ts'
import type { OpenSession } from '../session.ts'
import { diffStat, diffText } from '../show/diff.ts'
import { messageText } from '../show/message.ts'
import { nextStep, runTable, runText } from '../show/run-view.ts'
import { safe } from '../show/safe.ts'
import { statusWord } from '../show/words.ts'
import type { Paint } from '../terminal.ts'
import { limitOption } from './options.ts'

export function addRunRead(run: Command, open: OpenSession): void {
  addList(run, open)
  addGet(run, open)
  addDiff(run, open)
  addWords(run, open)
}

interface ListOptions {
  status?: NonNullable<RunFilter['status']>
  task?: string
  tag?: string
  limit: number
}

function addList(run: Command, open: OpenSession): void {
  run
    .command('list')
    .description('newest first')
    .option('--status <status>', 'only runs in this status: pending, running, needs_review, complete, …')
    .option('--task <task>', 'only runs of this task')
    .option('--tag <prefix>', 'only runs whose tag starts so')
    .addOption(limitOption())
    .action(async ({ status, task, tag, limit }: ListOptions) => {
      const { client, terminal } = open()
      const filter = { status, task_id: task, tag_prefix: tag, pageSize: limit }
      const runs = await first(limit, client.runs.listAll(filter))
      terminal.answer({ runs }, () => runTable(runs, terminal.paint, terminal.columns))
    })
}

function addGet(run: Command, open: OpenSession): void {
  run
    .command('get')
    .description('one run in full')
    .argument('<run>', 'its id')
    .action(async (id: string) => {
      const { client, terminal } = open()
      const found = await client.runs.get(id)
      terminal.answer({ run: found }, () => runText(found, terminal.paint))
      const next = nextStep(found)
      if (next !== null && terminal.isSeen) terminal.note(terminal.paint('dim', next))
    })
}

function addDiff(run: Command, open: OpenSession): void {
  run
    .command('diff')
    .description('what it would change in the project')
    .argument('<run>', 'its id')
    .option('--stat', 'only the files and their counts')
    .action(async (id: string, { stat = false }: { stat?: boolean }) => {
      const { client, terminal } = open()
      const diff = await client.runs.diff(id)
      terminal.answer({ diff }, () => {
        if (diff.files.length === 0) return 'Nothing is changed.'
        return stat ? diffStat(diff, terminal.paint) : diffText(diff.content, terminal.paint)
      })
      if (terminal.isSeen && !stat) terminal.note(terminal.paint('dim', `digest ${diff.digest}`))
    })
}

function addWords(run: Command, open: OpenSession): void {
  run
    .command('messages')
    .description('the conversation as a person saw it')
    .argument('<run>', 'its id')
    .action(async (id: string) => {
      const { client, terminal } = open()
      const messages = await Array.fromAsync(client.runs.messagesAll(id))
      terminal.answer({ messages }, () => messages.map((one) => messageText(one, terminal.paint)).join('\n'))
    })

  run
    .command('explain')
    .description('why it stands where it stands, and what comes next')
    .argument('<run>', 'its id')
    .action(async (id: string) => {
      const { client, terminal } = open()
      const explanation = await client.runs.explain(id)
      terminal.answer(explanation, () => explanationText(explanation, terminal.paint))
    })
}

function explanationText({ status, checks, next_step: next, estimate }: Explanation, paint: Paint): string {
  const lines = checks.map(
    ({ name, ok, detail }) => `${ok ? paint('green', 'ok') : paint('red', 'no')}  ${name}: ${safe(detail)}`,
  )
  const rest = [`Next: ${next}`, estimate === null ? '' : `Estimate: ${estimate}`]
  return [statusWord(status, paint), ...lines, ...rest.filter((line) => line !== '')].join('\n')
}
