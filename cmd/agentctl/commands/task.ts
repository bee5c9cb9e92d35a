/** agentctl task: what someone wants done. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Task, TaskFilter } from '../../../api/client/index.ts'
import { first } from '../first.ts'
import type { OpenSession } from '../session.ts'
import { oneLine, safe } from '../show/safe.ts'
import { facts, table } from '../show/table.ts'
import { ago, statusWord } from '../show/words.ts'
import type { Paint } from '../terminal.ts'
import { limitOption } from './options.ts'

export function addTask(program: Command, open: OpenSession): void {
  const task = program.command('task').description('what someone wants done; runs do it')
  addReading(task, open)
  addWriting(task, open)
}

function addReading(task: Command, open: OpenSession): void {
  task
    .command('list')
    .description('newest first')
    .option('--status <status>', 'only tasks in this status: queued, running, needs_review, approved, …')
    .addOption(limitOption())
    .action(async ({ status, limit }: { status?: TaskFilter['status']; limit: number }) => {
      const { client, terminal } = open()
      const tasks = await first(limit, client.tasks.listAll({ status, pageSize: limit }))
      terminal.answer({ tasks }, () => taskTable(tasks, terminal.paint, terminal.columns))
    })

  task
    .command('get')
    .description('one task in full')
    .argument('<task>', 'its id')
    .action(async (id: string) => {
      const { client, terminal } = open()
      const found = await client.tasks.get(id)
      terminal.answer({ task: found }, () => taskText(found, terminal.paint))
    })
}

interface NewTask {
  title: string
  project: string
  description?: string
  scope?: string
}

function addWriting(task: Command, open: OpenSession): void {
  task
    .command('create')
    .description('say what is wanted; nothing runs yet')
    .requiredOption('--title <text>', 'what it is about, in a line')
    .option('--description <text>', 'what is wanted; the title where it says enough')
    .option('--project <folder>', 'the project', '.')
    .option('--scope <folder>', 'where in the project the agent starts')
    .action(async ({ title, project, description, scope }: NewTask) => {
      const { client, terminal, user } = open()
      const made = await client.tasks.create({
        title,
        description: description ?? title,
        project_root: resolve(project),
        scope_path: scope ?? '.',
        created_by: user,
      })
      terminal.answer({ task: made }, () => `Task ${made.id}\nRun it: agentctl run create --task ${made.id}`)
    })

  task
    .command('cancel')
    .description('give it up, and stop its runs')
    .argument('<task>', 'its id')
    .action(async (id: string) => {
      const { client, terminal, user } = open()
      const cancelled = await client.tasks.cancel(id, { actor: user })
      terminal.answer({ task: cancelled }, () => `Task ${id} is cancelled.`)
    })

  task
    .command('delete')
    .description('remove it and its runs; their events stay for auditors')
    .argument('<task>', 'its id')
    .action(async (id: string) => {
      const { client, terminal } = open()
      await client.tasks.delete(id)
      terminal.answer({ deleted: id }, () => `Task ${id} is deleted.`)
    })
}

const taskText = (task: Task, paint: Paint): string =>
  `${facts([
    ['task', task.id],
    ['title', safe(task.title)],
    ['status', statusWord(task.status, paint)],
    ['project', safe(task.project_root)],
    ['scope', safe(task.scope_path)],
    ['by', task.created_by],
    ['created', ago(task.created_at)],
  ])}\n\n${safe(task.description)}`

function taskTable(tasks: readonly Task[], paint: Paint, columns: number): string {
  if (tasks.length === 0) return 'No tasks.'
  const rows = tasks.map((one) => [
    one.id,
    statusWord(one.status, paint),
    ago(one.created_at),
    oneLine(one.title, 60),
  ])
  return table(['TASK', 'STATUS', 'CREATED', 'TITLE'], rows, columns)
}
