/**
 * Replicas are killed, paused and drained, Postgres and the sandbox service die, agents misbehave, clients drop; a
 * checker then decides. `SEED` and `DURATION` (seconds) from the environment: the long form is `npm run test:chaos`.
 */
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { environmentOf, listProcesses } from '../../internal/process/proc.ts'
import { callSandbox } from '../support/sandbox-server.ts'
import { checkRun, type RunHistory } from './checker.ts'
import { createClient } from './clients.ts'
import { type Harm, torment } from './nemesis.ts'
import { createRandom } from './random.ts'
import { playRun, randomScript, withRemains } from './runs.ts'
import { openStage, type Stage } from './stage.ts'

const SEED = Number(process.env['SEED'] ?? 1)
const DURATION_MS = Number(process.env['DURATION'] ?? 60) * 1000
const LEASE_MS = 5000
const AT_ONCE = 6
/** After the last harm all that was begun has to come to its end. */
const CALM_MS = 300_000
const LEFT_MS = 30_000

let stage: Stage | null = null
let isWell = false
afterAll(async () => {
  await stage?.end()
  if (isWell) await stage?.remove()
  else process.stdout.write(`chaos: everything is kept in ${stage?.base}\n`)
}, 120_000)

test('no promise is broken', { timeout: DURATION_MS + CALM_MS }, async () => {
  stage = await openStage({ replicas: 3, leaseTtl: `${LEASE_MS / 1000}s` })
  const random = createRandom(SEED)
  const end = performance.now() + DURATION_MS
  const runs: RunHistory[] = []
  const violations: string[] = []
  const lane = async (first: number, on: Stage) => {
    const chance = createRandom(SEED * 1000 + first)
    const client = createClient(on.replicas, chance)
    for (let number = first; performance.now() < end; number += AT_ONCE) {
      const script = randomScript(chance, number)
      try {
        runs.push(await playRun(on, client, script, chance.next() < 0.6))
      } catch (error) {
        violations.push(`${script.name} (${script.nasty}): ${String(error)}`)
      }
    }
  }

  const [harm] = await Promise.all([
    torment(stage, random, { durationMs: DURATION_MS, leaseMs: LEASE_MS, paceMs: 2000 }),
    ...Array.from({ length: AT_ONCE }, (_, index) => lane(index + 1, stage!)),
  ])
  const remains = runs.map((run) => withRemains(stage!, run))
  violations.push(...remains.flatMap(checkRun))
  violations.push(...stage.replicas.flatMap(({ surprises }) => surprises))
  violations.push(...(await leftProcesses(remains)), ...(await leftSandboxes(stage, remains)))

  report(harm, remains, violations)
  expect(violations).toEqual([])
  expect(runs.length).toBeGreaterThan(DURATION_MS / 10_000)
  isWell = true
})

async function eventually(look: () => Promise<string[]> | string[]): Promise<string[]> {
  const end = performance.now() + LEFT_MS
  for (;;) {
    const left = await look()
    if (left.length === 0 || performance.now() > end) return left
    await delay(500)
  }
}

const leftProcesses = (runs: readonly RunHistory[]): Promise<string[]> =>
  eventually(() => {
    const ids = new Set(runs.map(({ id }) => id))
    return listProcesses().flatMap(({ pid }) => {
      const id = environmentOf(pid, 'AGENT_MANAGER_RUN')?.split(':')[1]
      return id !== undefined && ids.has(id) ? [`process ${pid} of run ${id} is left`] : []
    })
  })

/** Of a decided run nothing stays; one that failed keeps the last it had. */
const leftSandboxes = (on: Stage, runs: readonly RunHistory[]): Promise<string[]> =>
  eventually(async () => {
    const { json } = await callSandbox(on.sandbox.url, null, 'GET', '/api/v1/sandboxes?limit=1000')
    const byRun = new Map(runs.map((run) => [`run:${run.id}`, run]))
    const kept = new Map<string, number>()
    for (const one of json.sandboxes) {
      const owner = String(one.metadata?.requestedBy)
      if (['active', 'stopped', 'error', 'creating'].includes(one.status))
        kept.set(owner, (kept.get(owner) ?? 0) + 1)
    }
    return [...kept].flatMap(([owner, count]) => {
      const run = byRun.get(owner)
      if (run === undefined) return [`${count} sandboxes of ${owner}, which nobody knows`]
      const allowed = run.status === 'complete' ? 0 : 1
      return count <= allowed ? [] : [`${count} sandboxes of ${owner}, which is ${run.status}`]
    })
  })

function report(harm: Harm, runs: readonly RunHistory[], violations: readonly string[]): void {
  const count = (of: (run: RunHistory) => string) =>
    Object.fromEntries([...Map.groupBy(runs, of)].map(([name, some]) => [name, some.length] as const))
  const sum = (of: (run: RunHistory) => number) => runs.reduce((total, run) => total + of(run), 0)
  const told = {
    seed: SEED,
    seconds: DURATION_MS / 1000,
    harm,
    runs: runs.length,
    ended: count(({ status, approvalState, failureCode }) => failureCode ?? `${status} ${approvalState}`),
    events: sum(({ events }) => events.length),
    connections: sum(({ connections }) => connections.length),
    shown: sum(({ connections }) => connections.flat().length),
    attempts: sum(({ events }) => events.at(-1)?.attempt ?? 0),
    violations: violations.length,
  }
  process.stdout.write(`chaos: ${JSON.stringify(told)}\n`)
  for (const violation of violations) process.stdout.write(`chaos: ${violation}\n`)
}
