/** agentctl doctor with things broken on purpose: each is named, and what to do about it said. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { findingsText } from '../../cmd/agentctl/doctor/finding.ts'
import { lookAtContainment } from '../../cmd/agentctl/doctor/machine.ts'
import { type Ended, startAgentctl } from '../support/agentctl.ts'
import { makeWorld, startService } from '../support/service.ts'

interface Finding {
  name: string
  state: 'ok' | 'warn' | 'fail'
  detail: string
  fix: string | null
}

let base: string
/** Nobody listens there: it was free a moment ago. */
let closed: string
beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-doctor-')))
  mkdirSync(join(base, 'home'))
  mkdirSync(join(base, 'empty'))
  const server = await listen(createServer())
  closed = `127.0.0.1:${port(server)}`
  await new Promise((resolve) => server.close(resolve))
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
})

const listen = async <S extends Server>(server: S): Promise<S> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
const port = (server: Server): number => (server.address() as AddressInfo).port

/** A program that only says its version. */
function fakeProgram(name: string, says: string): string {
  const folder = mkdtempSync(join(base, 'bin-'))
  writeFileSync(join(folder, name), `#!/bin/sh\necho '${says}'\n`)
  chmodSync(join(folder, name), 0o755)
  return folder
}

async function doctor(env: Record<string, string | undefined> = {}, args: string[] = []): Promise<Finding[]> {
  const whole = { HOME: join(base, 'home'), AGENT_MANAGER_URL: `http://${closed}`, ...env }
  const ended: Ended = await startAgentctl(['doctor', '--json', ...args], whole, 'node').ended
  const { ok, findings }: { ok: boolean; findings: Finding[] } = JSON.parse(ended.stdout)
  expect(ok).toBe(findings.every(({ state }) => state !== 'fail'))
  expect(ended.code).toBe(ok ? 0 : 1)
  for (const { state, fix } of findings) expect(fix === null).toBe(state === 'ok')
  return findings
}

const named = (findings: readonly Finding[], name: string) =>
  findings.filter((finding) => finding.name === name)

describe('doctor names', () => {
  test('a service that is down', async () => {
    const [found] = named(await doctor(), 'service')
    expect(found).toMatchObject({ state: 'fail', fix: expect.stringContaining('npm start') })
  })

  test('another web server at the port', async () => {
    const server = await listen(createHttpServer((_, response) => response.end('<h1>It works!</h1>')))
    servers.push(server)
    const [found] = named(await doctor({ AGENT_MANAGER_URL: `http://127.0.0.1:${port(server)}` }), 'port')
    expect(found).toMatchObject({ state: 'fail', fix: expect.stringContaining('PORT=') })
  })

  test('a program at the port that does not even speak HTTP', async () => {
    const server = await listen(
      createServer((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end('220 mail.example.org\r\n'),
      ),
    )
    servers.push(server)
    const findings = await doctor({ AGENT_MANAGER_URL: `http://127.0.0.1:${port(server)}` })
    expect(named(findings, 'port')[0]?.state).toBe('fail')
  })

  test('a database that cannot be reached', async () => {
    const [found] = named(await doctor({ DATABASE_URL: `postgres://me:secret@${closed}/x` }), 'database')
    expect(found).toMatchObject({ state: 'fail', detail: expect.stringContaining(closed) })
    expect(JSON.stringify(found)).not.toContain('secret')
  })

  test('a sandbox service that is down', async () => {
    const [found] = named(await doctor({ WORKSPACE_SANDBOX_URL: `http://${closed}` }), 'sandbox')
    expect(found?.state).toBe('fail')
  })

  test('a variable that does not exist, and a value out of range', async () => {
    const found = named(
      await doctor({ AGENT_MANAGER_TYPO: '1', AGENT_MANAGER_EXECUTION_LEASE_TTL: '1s' }),
      'settings',
    )
    expect(found.map(({ state }) => state)).toEqual(['fail', 'fail'])
    expect(found.map(({ detail }) => detail).join()).toMatch(
      /AGENT_MANAGER_TYPO.*AGENT_MANAGER_EXECUTION_LEASE_TTL/,
    )
  })

  test('that git is missing', async () => {
    const [found] = named(await doctor({ PATH: join(base, 'empty') }), 'git')
    expect(found).toMatchObject({ state: 'fail', fix: expect.stringContaining('Install') })
  })

  test.each([
    ['2.30.2', 'fail'],
    ['2.36.0', 'warn'],
    ['2.38.1', 'ok'],
  ])('git %s: %s', async (version, state) => {
    const [found] = named(await doctor({ PATH: fakeProgram('git', `git version ${version}`) }), 'git')
    expect(found?.state).toBe(state)
  })

  test('that nothing can contain agents', async () => {
    const found = await lookAtContainment(join(base, 'empty'))
    expect(found).toMatchObject({ state: 'warn', fix: expect.stringContaining('bubblewrap') })
  })

  test('that no agent program is there', async () => {
    const findings = await doctor({ PATH: '/usr/bin:/bin' })
    expect(named(findings, 'claude-code')[0]).toMatchObject({ state: 'warn' })
    expect(named(findings, 'runners')[0]).toMatchObject({
      state: 'fail',
      fix: expect.stringContaining('npm install'),
    })
  })

  test('an agent program in a version that is not supported', async () => {
    const path = `${fakeProgram('opencode', '0.1.0')}:/usr/bin:/bin`
    const [found] = named(await doctor({ PATH: path }), 'opencode')
    expect(found).toMatchObject({ state: 'warn', detail: expect.stringContaining('0.1.0') })
  })

  test('that there is neither key nor login, and which there is', async () => {
    expect(named(await doctor(), 'provider')[0]?.state).toBe('warn')
    const withKey = named(await doctor({ ANTHROPIC_API_KEY: 'secret-value' }), 'provider')[0]
    expect(withKey).toMatchObject({ state: 'ok', detail: expect.stringContaining('ANTHROPIC_API_KEY') })
    expect(withKey?.detail).not.toContain('secret-value')
    const home = mkdtempSync(join(base, 'home-'))
    mkdirSync(join(home, '.claude'))
    writeFileSync(join(home, '.claude/.credentials.json'), '{}')
    expect(named(await doctor({ HOME: home }), 'provider')[0]?.state).toBe('ok')
  })

  test('a data folder that cannot be written, is none, or is open to others', async () => {
    const inProc = named(await doctor({ AGENT_MANAGER_DATA_DIR: '/proc/agent-manager' }), 'data_dir')
    expect(inProc[0]).toMatchObject({ state: 'fail', fix: expect.stringContaining('AGENT_MANAGER_DATA_DIR') })
    writeFileSync(join(base, 'file'), '')
    expect(named(await doctor({ AGENT_MANAGER_DATA_DIR: join(base, 'file') }), 'data_dir')[0]?.state).toBe(
      'fail',
    )
    const open = join(base, 'open')
    mkdirSync(open, { mode: 0o755 })
    const found = named(await doctor({ AGENT_MANAGER_DATA_DIR: open }), 'data_dir')[0]
    expect(found).toMatchObject({ state: 'warn', fix: `Close it: chmod 700 ${open}` })
  })

  test('a disk that is nearly full', async () => {
    const [found] = named(await doctor({}, ['--min-free', '999999999']), 'disk')
    expect(found).toMatchObject({ state: 'fail', fix: expect.stringContaining('cleanup') })
  })

  test('a project that is not there, or outside the allowed folders', async () => {
    const missing = named(await doctor({}, ['--project', join(base, 'none')]), 'project')
    expect(missing[0]?.state).toBe('fail')
    const roots = { AGENT_MANAGER_SAFETY_PROJECT_ROOTS: '/srv/projects' }
    const outside = named(await doctor(roots, ['--project', base]), 'project')
    expect(outside[0]).toMatchObject({ state: 'fail', detail: expect.stringContaining('PROJECT_ROOTS') })
  })
})

test('of a service that runs it tells what the service stands on', async () => {
  const world = await makeWorld('demo')
  const service = await startService({ ...world.env, WORKSPACE_SANDBOX_URL: `http://${closed}` })
  try {
    const findings = await doctor({ AGENT_MANAGER_URL: service.url })
    expect(named(findings, 'service')[0]?.state).toBe('ok')
    expect(named(findings, 'database')[0]?.state).toBe('ok')
    expect(named(findings, 'claim_loop')[0]?.state).toBe('ok')
    expect(named(findings, 'opencode')[0]?.state).toBe('ok')
    expect(named(findings, 'sandbox')[0]).toMatchObject({
      state: 'fail',
      fix: expect.stringContaining('WORKSPACE_SANDBOX_URL'),
    })
  } finally {
    await service.end('SIGTERM')
    await world.cleanUp()
  }
})

test('its text has a line for each finding, what to do below it, and a sum', () => {
  const text = findingsText(
    [
      { name: 'git', state: 'ok', detail: 'git 2.50', fix: null },
      { name: 'disk', state: 'fail', detail: 'full', fix: 'Make room.' },
    ],
    (_, plain) => plain,
  )
  expect(text.split('\n')).toEqual([
    'ok    git: git 2.50',
    'FAIL  disk: full',
    '      Make room.',
    '',
    '1 to mend.',
  ])
})
