/** The service is killed while an agent works: a container ends with it, without one the next start ends what it left. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { endOrphans } from '../../internal/engine/orphans.ts'
import { createLogger } from '../../internal/log.ts'
import { endAllWithTokens, HIDDEN, newToken, TRACEABLE, withToken } from '../support/leaving-agent.ts'
import { MARKER, marked, until } from '../support/marked-processes.ts'
import { SUPERVISION_HOST, usableLaunchers } from '../support/supervision-host.ts'

const launchers = await usableLaunchers()
const log = createLogger('silent')
const installation = randomUUID()
const replica = randomUUID()
const markOf = (owner: string, replicaId: string): string => `${owner}:${randomUUID()}:1:${replicaId}`

let folder = ''
const bystanders: ChildProcess[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervision-'))
})
afterEach(() => {
  for (const each of bystanders.splice(0)) each.kill('SIGKILL')
  endAllWithTokens()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A service with an agent at work, killed the moment everything is up. */
async function crash(name: string, kinds: readonly string[]): Promise<string> {
  const token = newToken()
  const args = [SUPERVISION_HOST, name, folder, markOf(installation, replica), token, 'deaf', ...kinds]
  const service = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(service.stdout, 'data')
  await until(() => withToken(token).length > kinds.length, 10_000, 'all are up')
  const ended = once(service, 'exit')
  service.kill('SIGKILL')
  await ended
  return token
}

function bystander(mark: string | null): ChildProcess {
  const env = { PATH: '/usr/bin:/bin', ...(mark === null ? {} : { [MARKER]: mark }) }
  const child = spawn('sleep', ['300'], { env, stdio: 'ignore', detached: true })
  bystanders.push(child)
  return child
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

describe.each([...launchers.keys()].filter((name) => name !== 'plain'))('%s', (name) => {
  it('ends everything with the service, without anybody’s help', async () => {
    const token = await crash(name, [...TRACEABLE, HIDDEN])

    await until(() => withToken(token).length === 0, 1_000, 'all are gone')
  })
})

describe('plain', () => {
  it('ends at the next start what can be traced to the mark of the dead replica', async () => {
    // Once its parent is gone, nothing ties this one to anybody.
    const kinds = TRACEABLE.filter((kind) => kind !== 'emptied session')
    const token = await crash('plain', kinds)
    expect(withToken(token).length).toBeGreaterThan(kinds.length)

    await endOrphans(installation, [replica], log)

    expect(withToken(token)).toEqual([])
  })

  it('touches nobody else', async () => {
    const others = [
      bystander(markOf(randomUUID(), replica)), // another installation
      bystander(markOf(installation, randomUUID())), // a replica that lives
      bystander(null),
    ]
    const orphan = markOf(installation, replica)
    const ours = bystander(orphan)
    await until(() => marked(orphan).length === 1, 5_000, 'it is up')

    await endOrphans(installation, [replica], log)

    await until(() => !isRunning(ours), 5_000, 'the orphan is gone')
    expect(others.map(isRunning)).toEqual([true, true, true])
  })
})
