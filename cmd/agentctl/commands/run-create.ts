/** agentctl run create. */
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { CreateRunRequest, PreFlight } from '../../../api/client/index.ts'
import { Failed, UsageError } from '../exit.ts'
import { follow } from '../follow.ts'
import { profileReference } from '../profiles.ts'
import type { OpenSession, Session } from '../session.ts'
import { safe } from '../show/safe.ts'
import type { Paint } from '../terminal.ts'
import { collect, MODES, RUNNERS, settings } from './options.ts'

interface Given {
  task?: string
  title?: string
  project: string
  scope?: string
  prompt?: string
  profile?: string
  runner?: string
  model?: string
  mode?: string
  set?: string[]
  tag?: string
  inPlace?: boolean
  force?: boolean
  key?: string
  watch?: boolean
  answer?: boolean
  dryRun?: boolean
}

export function addRunCreate(run: Command, open: OpenSession): void {
  run
    .command('create')
    .description('start a run of a task; without --task, of a new one made from --prompt')
    .option('--task <task>', 'the task')
    .option('--prompt <text>', "what the agent is told; absent: the task's description")
    .option('--project <folder>', 'the project of a new task', '.')
    .option('--title <text>', 'the title of a new task')
    .option('--scope <folder>', 'where in the project the agent of a new task starts')
    .option('--profile <profile>', 'settings by id or key')
    .option('--runner <runner>', RUNNERS.join(', '))
    .option('--model <model>', 'as the runner calls it')
    .option('--mode <mode>', `what the agent may do by itself: ${MODES.join(', ')}`)
    .option('--set <name=value>', 'any other setting, repeated', collect)
    .option('--tag <tag>', 'a label to find it by')
    .option('--in-place', 'in the project itself, nothing held back')
    .option('--force', 'do not wait for capacity')
    .option('--key <key>', 'repeating the command with the same key makes no second run')
    .option('--watch', 'follow it until its turn ends')
    .option('--answer', 'with --watch: answer here what the agent asks')
    .addOption(
      new Option('--dry-run', 'say what would keep it from working, and start nothing').conflicts('watch'),
    )
    .action(async (given: Given) => create(open(), given))
}

async function create(session: Session, given: Given): Promise<void> {
  const { client, terminal } = session
  if (given.dryRun && given.task === undefined) {
    throw new UsageError('--dry-run needs --task: it makes nothing, and so no task either.')
  }
  const taskId = given.task ?? (await newTask(session, given))
  const request = requestOf(taskId, given)
  if (given.dryRun) {
    const found = await client.runs.dryRun(request)
    terminal.answer(found, () => preFlightText(found, terminal.paint))
    if (!found.ok) throw new Failed('')
    return
  }
  const key = given.key === undefined ? undefined : { idempotencyKey: given.key }
  const run = await client.runs.create(request, key)
  if (!given.watch) {
    terminal.answer({ run }, () => `Run ${run.id}\nWatch it: agentctl run watch ${run.id}`)
    return
  }
  terminal.say(`Run ${run.id}`)
  await follow(session, run.id, { after: 0, answer: given.answer ?? false })
}

async function newTask({ client, user }: Session, { prompt, title, project, scope }: Given): Promise<string> {
  if (prompt === undefined) throw new UsageError('Say what is wanted: --task <task>, or --prompt <text>.')
  const { id } = await client.tasks.create({
    title: title ?? firstLine(prompt),
    description: prompt,
    project_root: resolve(project),
    scope_path: scope ?? '.',
    created_by: user,
  })
  return id
}

const firstLine = (text: string): string => (text.trim().split('\n')[0] ?? '').slice(0, 100) || 'A task'

function requestOf(taskId: string, given: Given): CreateRunRequest {
  const { profile, runner, model, mode, set, tag, inPlace, force, prompt, task } = given
  const named = { runner_type: runner, model, permission_mode: mode }
  const inline = {
    ...settings(set),
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
  }
  return {
    task_id: taskId,
    ...(profile !== undefined && profileReference(profile)),
    ...(Object.keys(inline).length > 0 && { inline_config: inline }),
    ...(tag !== undefined && { tag }),
    ...(inPlace && { run_mode: 'in_place' }),
    ...(force && { force }),
    // A new task says it already.
    ...(task !== undefined && prompt !== undefined && { prompt }),
  }
}

function preFlightText({ ok, checks }: PreFlight, paint: Paint): string {
  const lines = checks.flatMap(({ name, ok: isOk, detail, fix }) => [
    `${isOk ? paint('green', 'ok') : paint('red', 'no')}  ${name}: ${safe(detail)}`,
    ...(fix === null ? [] : [`    ${safe(fix)}`]),
  ])
  return [...lines, ok ? 'The run would be taken. Nothing was started.' : 'The run would be refused.'].join(
    '\n',
  )
}
