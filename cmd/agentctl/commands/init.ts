/** agentctl init: from nothing to a first run, by question or by flag. */
import type { Command } from 'commander'
import { UsageError } from '../exit.ts'
import { follow } from '../follow.ts'
import { askWish, type Wish, type WishGiven } from '../init/wish.ts'
import type { OpenSession, Session } from '../session.ts'
import { MODES, RUNNERS } from './options.ts'

interface Given extends WishGiven {
  profile: string
  watch: boolean
}

export function addInit(program: Command, open: OpenSession): void {
  program
    .command('init')
    .description('a first profile, task and run: where, who, what')
    .option('--project <folder>', 'where: the project')
    .option('--runner <runner>', `who: ${RUNNERS.join(', ')}`)
    .option('--model <model>', 'as the runner calls it')
    .option('--mode <mode>', `what it may do by itself: ${MODES.join(', ')}`)
    .option('--task <text>', 'what: told to the agent')
    .option('--profile <key>', 'the profile to keep who and how in', 'default')
    .option('--no-watch', 'start it and leave')
    .action(async (given: Given) => {
      const session = open()
      if (!session.terminal.canAsk && given.task === undefined) {
        throw new UsageError('Nobody can be asked here: say at least --task <text>.')
      }
      await begin(session, await askWish(session, given), given)
    })
}

async function begin(session: Session, wish: Wish, { profile: key, watch }: Given): Promise<void> {
  const { client, terminal, user } = session
  const { runner, model, mode, project, task: text } = wish
  const { profile } = await client.profiles.ensure({
    profile_key: key,
    defaults: {
      runner_type: runner,
      created_by: user,
      ...(model !== null && { model }),
      ...(mode !== null && { permission_mode: mode }),
    },
    update_existing: true,
  })
  const task = await client.tasks.create({
    title: (text.trim().split('\n')[0] ?? '').slice(0, 100),
    description: text,
    project_root: project,
    scope_path: '.',
    created_by: user,
  })
  const run = await client.runs.create({ task_id: task.id, agent_profile_id: profile.id })
  const made = `Profile ${key}, task ${task.id}, run ${run.id}`
  if (!watch) {
    terminal.answer({ profile, task, run }, () => `${made}\nWatch it: agentctl run watch ${run.id}`)
    return
  }
  terminal.say(made)
  await follow(session, run.id, { after: 0, answer: true })
}
