/**
 * An issue tracker that has its issues worked on: one run per issue, found again by its tag, 80 minutes at most,
 * with a list of tools, in a sandbox until somebody approves the diff. Plain HTTP, no library.
 *
 *   node examples/app-issue-tracker.ts --issue 12 --title 'Empty names' --text 'greet("") must …' --project DIR
 *     [--url http://127.0.0.1:8080] [--runner claude-code] [--model M] [--out DIR]
 *
 * Tells what happens in lines of JSON on stdout; transcript and last message go to files in `--out`. Ctrl-C stops
 * the agent; a tracker that was killed finds its run again when it is started for the same issue.
 * Exit codes: 0 there is something to review or the work is done, 1 failed, 75 at a limit (try again after
 * `reset_time`), 130 stopped.
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const TIMEOUT = '4800s'
const MAX_TURNS = 80
const TOOLS = ['Read', 'Write', 'Edit', 'Bash', 'LS', 'Glob', 'Grep']
const POLL_MS = 1000
const FINISHED = [
  'RUN_STATUS_NEEDS_REVIEW',
  'RUN_STATUS_COMPLETE',
  'RUN_STATUS_FAILED',
  'RUN_STATUS_CANCELLED',
]

interface Run {
  readonly id: string
  readonly tag: string
  readonly status: string
  readonly session_id: string | null
  readonly summary: { readonly description: string } | null
  readonly failure: { readonly code: string; readonly message: string } | null
  readonly diff: { readonly files: number; readonly additions: number; readonly deletions: number } | null
}

interface RunEvent {
  readonly sequence: number
  readonly message?: { readonly role: string; readonly content: string }
  readonly rate_limit?: {
    readonly limit_type: string
    readonly reset_time: string | null
    readonly message: string
  }
}

interface Options {
  readonly url: string
  readonly issue: string
  readonly title: string
  readonly text: string
  readonly project: string
  readonly runner: string
  readonly model: string | undefined
  readonly out: string
}

/** Asks the service. Throws its own words for what it does not do. */
async function ask<T>({ url }: Options, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  })
  const answer: any = await response.json()
  if (response.ok) return answer
  throw Object.assign(new Error(answer.message), { code: answer.code })
}

const say = (event: string, more: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, ...more })}\n`)
}

/** The run of this issue that is under way, or a new one. */
async function runOf(options: Options): Promise<{ run: Run; resumed: boolean }> {
  const tag = `app-issue-tracker-${options.issue}`
  const { runs } = await ask<{ runs: Run[] }>(options, 'GET', `/runs?tag_prefix=${encodeURIComponent(tag)}`)
  const open = runs.find((run) => run.tag === tag && !FINISHED.includes(run.status))
  if (open) return { run: open, resumed: true }
  const { task } = await ask<{ task: { id: string } }>(options, 'POST', '/tasks', {
    task: {
      title: options.title,
      description: options.text,
      scope_path: '.',
      project_root: options.project,
      created_by: 'app-issue-tracker',
    },
  })
  const { run } = await ask<{ run: Run }>(options, 'POST', '/runs', {
    task_id: task.id,
    tag,
    profile_ref: {
      profile_key: `app-issue-tracker-${options.runner}`,
      defaults: {
        runner_type: options.runner,
        max_turns: MAX_TURNS,
        timeout: TIMEOUT,
        allowed_tools: TOOLS,
        created_by: 'app-issue-tracker',
      },
    },
    ...(options.model && { inline_config: { model: options.model } }),
  })
  return { run, resumed: false }
}

type Limit = NonNullable<RunEvent['rate_limit']>

/** What is known of a run while it is followed. */
interface Progress {
  readonly transcript: string
  after: number
  /** The limit that holds the agent up; null: none. */
  limit: Limit | null
}

/** All events since the last look, into the transcript. */
async function readOn(options: Options, id: string, progress: Progress): Promise<void> {
  for (let more = true; more; ) {
    const page = await ask<{ events: RunEvent[]; next_after_sequence: number; has_more: boolean }>(
      options,
      'GET',
      `/runs/${id}/events?after_sequence=${progress.after}`,
    )
    await appendFile(progress.transcript, page.events.map((event) => `${JSON.stringify(event)}\n`).join(''))
    for (const event of page.events) noteLimit(event, progress)
    progress.after = page.next_after_sequence
    more = page.has_more
  }
}

/** A limit is over when the agent speaks again. */
function noteLimit({ message, rate_limit: limit }: RunEvent, progress: Progress): void {
  if (limit) {
    progress.limit = limit
    say('rate_limit.changed', { limited: true, reset_time: limit.reset_time, reason: limit.message })
  } else if (message?.role === 'assistant' && progress.limit) {
    progress.limit = null
    say('rate_limit.changed', { limited: false })
  }
}

/** A run is shown as over only once its last event can be read: what is read after that is all there is. */
async function follow(options: Options, id: string): Promise<{ run: Run; limit: Limit | null }> {
  const transcript = join(options.out, `${options.issue}.transcript.jsonl`)
  await writeFile(transcript, '')
  const progress: Progress = { transcript, after: 0, limit: null }
  for (;;) {
    const { run } = await ask<{ run: Run }>(options, 'GET', `/runs/${id}`)
    await readOn(options, id, progress)
    if (FINISHED.includes(run.status)) return { run, limit: progress.limit }
    await delay(POLL_MS)
  }
}

/** @returns the exit code */
async function work(options: Options): Promise<number> {
  await mkdir(options.out, { recursive: true })
  const { run: begun, resumed } = await runOf(options)
  say('agent.started', { issue: options.issue, run_id: begun.id, resumed })
  process.once('SIGINT', () => {
    ask(options, 'POST', `/runs/${begun.id}/stop`, { actor: 'app-issue-tracker' }).catch((error: Error) => {
      say('agent.stop_failed', { message: error.message })
    })
  })
  const { run, limit } = await follow(options, begun.id)
  const facts = { run_id: run.id, session_id: run.session_id }
  switch (run.status) {
    case 'RUN_STATUS_CANCELLED':
      say('agent.stopped', facts)
      return 130
    case 'RUN_STATUS_FAILED': {
      const isLimited = run.failure?.code === 'rate_limited'
      say('agent.failed', {
        ...facts,
        ...run.failure,
        ...(isLimited && { reset_time: limit?.reset_time ?? null }),
      })
      return isLimited ? 75 : 1
    }
    default: {
      const lastMessage = run.summary?.description ?? ''
      await writeFile(join(options.out, `${options.issue}.last-message.txt`), lastMessage)
      const review =
        run.status === 'RUN_STATUS_NEEDS_REVIEW' ? `${options.url}/api/v1/runs/${run.id}/diff` : null
      say('agent.completed', { ...facts, last_message: lastMessage, diff: run.diff, review })
      return 0
    }
  }
}

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8080' },
    issue: { type: 'string' },
    title: { type: 'string' },
    text: { type: 'string' },
    project: { type: 'string' },
    runner: { type: 'string', default: 'claude-code' },
    model: { type: 'string' },
    out: { type: 'string', default: 'issues' },
  },
})
const { issue, project, title = `Issue ${issue}`, text = title, model } = values
if (!issue || !project) {
  process.stderr.write('usage: node examples/app-issue-tracker.ts --issue ID --project DIR [--title T] …\n')
  process.exit(64)
}
process.exitCode = await work({ ...values, issue, project, title, text, model }).catch((error: Error) => {
  say('agent.failed', { message: error.message })
  return 1
})
