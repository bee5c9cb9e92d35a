/** agentctl run approve, reject, answer. */
import type { Command } from 'commander'
import type { Approved } from '../../../api/client/index.ts'
import { answerPending } from '../answer.ts'
import { UsageError } from '../exit.ts'
import type { OpenSession, Session } from '../session.ts'
import { safe } from '../show/safe.ts'
import { plural } from '../show/words.ts'
import { actorOption, collect } from './options.ts'

export function addRunReview(run: Command, open: OpenSession): void {
  addApprove(run, open)
  addReject(run, open)
  addAnswer(run, open)
}

interface Approval {
  actor?: string
  message?: string
  digest?: string
  file?: string[]
  commit: boolean
  force?: boolean
}

function addApprove(run: Command, open: OpenSession): void {
  run
    .command('approve')
    .description('land its changes in the project')
    .argument('<run>', 'its id')
    .option('-m, --message <text>', 'the message of the commit')
    .option('--digest <digest>', 'only if the diff is still this one (agentctl run diff shows it)')
    .option('--file <path>', 'only this file, repeated', collect)
    .option('--no-commit', 'change the files and leave the commit to you')
    .option('--force', 'in spite of conflicts')
    .addOption(actorOption(undefined))
    .action(async (id: string, { actor, message, digest, file, commit, force }: Approval) => {
      const { client, terminal, user } = open()
      const approved = await client.runs.approve(id, {
        actor: actor ?? user,
        ...(message !== undefined && { commit_msg: message }),
        ...(digest !== undefined && { digest }),
        ...(file !== undefined && { files: file }),
        ...(!commit && { create_commit: false }),
        ...(force && { force }),
      })
      terminal.answer(approved, () => approvalText(approved))
    })
}

function approvalText({ result }: Approved): string {
  const commit = result.commit_hash === null ? '' : `, commit ${result.commit_hash.slice(0, 12)}`
  const rest = result.is_partial ? `; ${plural(result.remaining_files, 'file')} left to decide` : ''
  return `Applied ${plural(result.files_applied, 'file')}${commit}${rest}.`
}

interface Rejection {
  actor?: string
  reason?: string
  requestChanges?: boolean
}

function addReject(run: Command, open: OpenSession): void {
  run
    .command('reject')
    .description('throw its changes away')
    .argument('<run>', 'its id')
    .option('--reason <text>', 'why')
    .option('--request-changes', 'send the reason to the agent as its next turn instead')
    .addOption(actorOption(undefined))
    .action(async (id: string, { actor, reason, requestChanges = false }: Rejection) => {
      const { client, terminal, user } = open()
      const run = await client.runs.reject(id, {
        actor: actor ?? user,
        ...(reason !== undefined && { reason }),
        ...(requestChanges && { request_changes: true }),
      })
      terminal.answer({ run }, () =>
        requestChanges
          ? `Sent back. Watch it: agentctl run watch ${id}`
          : `Run ${id} is rejected; nothing was changed.`,
      )
    })
}

interface Answer {
  allow?: boolean
  deny?: boolean
  session?: boolean
  message?: string
  say?: string[]
}

function addAnswer(run: Command, open: OpenSession): void {
  run
    .command('answer')
    .description('answer what the agent asks: one by its id, or all open ones at the terminal')
    .argument('<run>', 'its id')
    .argument('[interaction]', 'which one; needed where nobody can be asked and several are open')
    .option('--allow', 'allow what it asks')
    .option('--deny', 'deny it')
    .option('--session', 'with --allow: also whatever is asked like it in the rest of this run')
    .option('-m, --message <text>', 'with --deny: what the agent should know')
    .option('--say <question=answer>', 'to a question, repeated', collect)
    .action(async (id: string, interaction: string | undefined, given: Answer) => {
      const session = open()
      if (given.allow || given.deny || given.say !== undefined)
        return answerOne(session, id, interaction, given)
      if (!session.terminal.canAsk)
        throw new UsageError('Say --allow, --deny or --say where nobody can be asked.')
      const count = await answerPending(session, id)
      session.terminal.say(count === 0 ? 'Nothing is asked.' : `Answered: ${count}.`)
    })
}

async function answerOne(
  session: Session,
  id: string,
  interaction: string | undefined,
  given: Answer,
): Promise<void> {
  const { client, terminal, user } = session
  if (given.allow && given.deny) throw new UsageError('--allow and --deny exclude each other.')
  const answered = await client.interactions.answer(id, interaction ?? (await onlyOne(session, id)), {
    actor: user,
    decision: given.deny ? 'deny' : 'allow',
    ...(given.session && { scope: 'session' }),
    ...(given.message !== undefined && { message: given.message }),
    ...(given.say !== undefined && { answers: answersOf(given.say) }),
  })
  const decision = answered.answer?.decision === 'allow' ? 'Allowed' : 'Denied'
  terminal.answer({ interaction: answered }, () => `${decision}: ${answered.tool_name ?? 'the question'}`)
}

async function onlyOne({ client }: Session, id: string): Promise<string> {
  const open = await client.interactions.pending(id)
  const [only] = open
  if (only === undefined) throw new UsageError('Nothing is asked.')
  if (open.length === 1) return only.id
  const list = open.map((one) => `${one.id} (${one.tool_name ?? 'question'}: ${safe(one.detail)})`).join(', ')
  throw new UsageError(`Several are open, name one: ${list}`)
}

function answersOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.lastIndexOf('=')
      if (at < 1) throw new UsageError(`--say ${pair}: write it as "the question=the answer".`)
      return [pair.slice(0, at), pair.slice(at + 1)] as const
    }),
  )
}
