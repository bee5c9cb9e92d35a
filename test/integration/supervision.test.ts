/** No process survives its turn: whatever the agent leaves behind, and whoever ends first. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { finished } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LaunchedProcess, Launcher } from '../../internal/launcher/port.ts'
import { type ProcessRef, type ProcessRow, readProcess } from '../../internal/process/proc.ts'
import { endAllWithTokens, HIDDEN, newToken, TRACEABLE, withToken } from '../support/leaving-agent.ts'
import { until } from '../support/marked-processes.ts'
import { launchLeaving, usableLaunchers } from '../support/supervision-host.ts'

const launchers = await usableLaunchers()

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervision-'))
})
afterEach(endAllWithTokens)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Leaving {
  readonly agent: LaunchedProcess
  readonly token: string
}

/** Everything is up: each kind has at least its shell or its sleeper. */
async function start(launcher: Launcher, end: string, kinds: readonly string[]): Promise<Leaving> {
  const token = newToken()
  const agent = await launchLeaving(launcher, { folder, mark: randomUUID(), args: [token, end, ...kinds] })
  await once(agent.stdout, 'data')
  await until(() => withToken(token).length >= kinds.length, 10_000, 'all are up')
  return { agent, token }
}

/** Dead processes that we should have collected; those that init adopted are init's. */
const zombies = (refs: readonly ProcessRef[]): number[] =>
  refs
    .map(({ pid, startTime }) => ({ row: readProcess(pid), startTime }))
    .filter(({ row, startTime }) => row?.startTime === startTime && row.parentPid === process.pid)
    .map(({ row }) => row!.pid)

describe.each([...launchers])('%s', (_name, launcher) => {
  const isContained = launcher.containment !== 'none'
  const kinds = isContained ? [...TRACEABLE, HIDDEN] : TRACEABLE
  const limitMs = isContained ? 1_000 : 20_000

  it.each(['wait', 'deaf'])('leaves nothing of an agent that will %s', async (end) => {
    const { agent, token } = await start(launcher, end, kinds)
    const seen = withToken(token)
    const closed = finished(agent.stdout.resume())

    const begun = performance.now()
    await agent.stop(300)
    const took = performance.now() - begun

    expect(withToken(token)).toEqual([])
    expect(took).toBeLessThan(300 + limitMs)
    expect(zombies(seen)).toEqual([])
    await closed
  })

  it('is ended before others when memory runs out, with all it starts', async () => {
    const { agent, token } = await start(launcher, 'wait', ['plain', 'session'])

    const adjusted = withToken(token).map(({ pid }) =>
      readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(),
    )
    await agent.stop(0)

    expect(new Set(adjusted)).toEqual(new Set(['500']))
  })

  it('leaves nothing of an agent that ended first', async () => {
    // Its children were seen by nobody before they lost their parent: those have to carry a mark, or share its session.
    const orphans = kinds.filter((kind) => isContained || kind !== 'emptied session')
    const { agent, token } = await start(launcher, 'exit', orphans)
    agent.stdin.end()
    await agent.exited

    await agent.stop(300)

    expect(withToken(token)).toEqual([])
  })
})

describe('plain', () => {
  it('does not find what has no mark, no parent, and a session of its own', async () => {
    const { agent, token } = await start(launchers.get('plain')!, 'wait', ['plain', HIDDEN])
    const isOrphan = (row: ProcessRow): boolean => !withToken(token).some(({ pid }) => pid === row.parentPid)
    await until(
      () =>
        withToken(token).some((row) => row.pid !== agent.pid && row.sessionId === row.pid && isOrphan(row)),
      5_000,
      'it hid',
    )

    await agent.stop(300)

    expect(withToken(token)).toHaveLength(1)
  })
})
