/** One run after the other, from its creation to a person's decision, and what is left of each. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../support/client.ts'
import type { LogEvent, RunHistory } from './checker.ts'
import type { Client } from './clients.ts'
import type { Random } from './random.ts'
import type { Nasty, Script } from './scripted-agent.ts'
import type { Stage } from './stage.ts'

const KINDS: readonly Nasty[] = [
  ...(['none', 'none', 'none', 'none', 'children', 'children'] as const),
  ...(['deaf', 'exit', 'hang', 'garbage', 'flood', 'ask'] as const),
]
const ENDED = /^RUN_STATUS_(NEEDS_REVIEW|COMPLETE|FAILED|CANCELLED)$/
const POLL_MS = 250
const PATIENCE_MS = 90_000

export const randomScript = (random: Random, number: number): Script => ({
  name: `script-${number}`,
  lines: Math.floor(random.between(5, 25)),
  delayMs: Math.floor(random.between(20, 200)),
  nasty: random.pick(KINDS),
})

const PROFILE = {
  runner_type: 'claude-code',
  permission_mode: 'ask',
  timeout: '5m',
  idle_timeout: '6s',
  interaction_timeout: '5m',
  home: 'isolated',
}

/** @throws when the run does not come to an end in time, which is a violation too */
export async function playRun(
  stage: Stage,
  client: Client,
  script: Script,
  approves: boolean,
): Promise<RunHistory> {
  const task = { title: script.name, description: 'x', scope_path: '.', project_root: stage.project }
  const made = await client.ask('POST', '/api/v1/tasks', { task })
  const create = {
    task_id: made.body['task'].id,
    prompt: JSON.stringify(script),
    inline_config: PROFILE,
  }
  const created = await client.ask('POST', '/api/v1/runs', create, `key-${script.name}`)
  if (created.status !== 201) throw new Error(`run refused: ${JSON.stringify(created.body)}`)
  const id: string = created.body['run'].id
  let isOver = false
  const watched = client.follow(id, () => isOver)
  try {
    const ended = await untilEnded(client, id)
    const diff = await diffOf(client, id, ended)
    const run = await decide(client, ended, approves)
    const events = await eventsOf(client, id)
    isOver = true
    return {
      id,
      script,
      status: short(run['status']),
      approvalState: String(run['approval_state']).replace('APPROVAL_STATE_', '').toLowerCase(),
      failureCode: run['failure']?.code ?? null,
      events,
      connections: await watched,
      trace: [],
      landed: null,
      diff,
    }
  } finally {
    isOver = true
    await watched
  }
}

const short = (status: string): string => status.replace('RUN_STATUS_', '').toLowerCase()

async function untilEnded(client: Client, id: string): Promise<Json> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const run = (await client.ask('GET', `/api/v1/runs/${id}`)).body['run']
    if (ENDED.test(run['status'])) return run
    if (run['pending_interactions'] > 0) await answerAll(client, id)
    if (performance.now() > end) throw new Error(`run ${id} does not end: ${JSON.stringify(run)}`)
    await delay(POLL_MS)
  }
}

async function answerAll(client: Client, id: string): Promise<void> {
  const { body } = await client.ask('GET', `/api/v1/runs/${id}/interactions`)
  for (const one of body['interactions'])
    if (one['status'] === 'pending')
      await client.ask('POST', `/api/v1/runs/${id}/interactions/${one['id']}/answer`, {
        decision: 'deny',
        actor: 'ann',
      })
}

async function diffOf(client: Client, id: string, run: Json): Promise<string | null> {
  if (run['status'] !== 'RUN_STATUS_NEEDS_REVIEW') return null
  return (await client.ask('GET', `/api/v1/runs/${id}/diff`)).body['diff']?.content ?? null
}

/** An answer may be lost: what counts is what the run says afterwards. */
async function decide(client: Client, run: Json, approves: boolean): Promise<Json> {
  if (run['status'] !== 'RUN_STATUS_NEEDS_REVIEW') return run
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const verb = approves ? 'approve' : 'reject'
    const answer = await client.ask('POST', `/api/v1/runs/${run['id']}/${verb}`, { actor: 'ann' })
    const now = (await client.ask('GET', `/api/v1/runs/${run['id']}`)).body['run']
    if (now['status'] === 'RUN_STATUS_COMPLETE') return now
    if (performance.now() > end)
      throw new Error(`run ${run['id']} cannot be decided: ${JSON.stringify(answer)}`)
    await delay(POLL_MS)
  }
}

export async function eventsOf(client: Client, id: string): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  for (let after = 0; ; after = events.at(-1)?.sequence ?? after) {
    const { body } = await client.ask('GET', `/api/v1/runs/${id}/events?limit=5000&after_sequence=${after}`)
    events.push(...body['events'])
    if (body['has_more'] !== true) return events
  }
}

/** What lies on the disk of it. Read when all is quiet. */
export function withRemains(stage: Stage, run: RunHistory): RunHistory {
  const landed = join(stage.project, `${run.script.name}.txt`)
  const trace = join(stage.dataDir, 'runs', run.id, 'home', 'trace')
  return {
    ...run,
    landed: existsSync(landed) ? readFileSync(landed, 'utf8') : null,
    trace: existsSync(trace)
      ? readFileSync(trace, 'utf8')
          .split('\n')
          .flatMap((line) => {
            const [attempt, ns] = line.split(' ')
            return ns === undefined ? [] : [{ attempt: Number(attempt), ns: BigInt(ns) }]
          })
      : [],
  }
}
