import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBubblewrapLauncher } from '../../adapters/launchers/bubblewrap.ts'
import { detectLauncher, trial } from '../../adapters/launchers/detect.ts'
import { createPlainLauncher } from '../../adapters/launchers/plain.ts'
import { createUnshareLauncher } from '../../adapters/launchers/unshare.ts'
import type { LaunchedProcess, Launcher, LaunchRequest } from '../../internal/launcher/port.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { MARKER, marked, until } from '../support/marked-processes.ts'

const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
const DEADLINE = { timeout: 30_000 }

async function usable(): Promise<Map<string, Launcher>> {
  const bwrap = findProgram('bwrap', PATH)
  const [unshare, setpriv] = [findProgram('unshare', PATH), findProgram('setpriv', PATH)]
  const found = new Map<string, Launcher>([['plain', createPlainLauncher()]])
  const candidates: [string, Launcher | null][] = [
    [
      'bubblewrap',
      bwrap === null ? null : createBubblewrapLauncher({ bwrap, unshare: findProgram('unshare', PATH) }),
    ],
    ['unshare', unshare === null || setpriv === null ? null : createUnshareLauncher({ unshare, setpriv })],
  ]
  for (const [name, launcher] of candidates) {
    const fault = launcher === null ? 'not installed' : await trial(launcher)
    if (fault === null) found.set(name, launcher!)
    else process.stderr.write(`launchers: ${name} cannot be tested here: ${fault}\n`)
  }
  return found
}

const launchers = await usable()

let folder = ''
const started: LaunchedProcess[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'launchers-'))
})
afterAll(async () => {
  for (const one of started) await one.stop(0)
  rmSync(folder, { recursive: true, force: true })
})

async function launch(
  launcher: Launcher,
  argv: LaunchRequest['argv'],
  more: Partial<LaunchRequest> = {},
): Promise<LaunchedProcess & { mark: string }> {
  const mark = randomUUID()
  const launched = await launcher.launch({
    argv,
    cwd: folder,
    writable: [folder],
    readable: [],
    hidden: [],
    network: 'allow',
    ...more,
    env: { PATH, [MARKER]: mark, ...more.env },
  })
  started.push(launched)
  return { ...launched, mark }
}

async function outputOf(
  launcher: Launcher,
  script: string,
  more: Partial<LaunchRequest> = {},
): Promise<string> {
  const launched = await launch(launcher, ['sh', '-c', `{ ${script}; } 2>&1`], more)
  const said = await text(launched.stdout)
  await launched.stop(0)
  return said.trim()
}

describe('detectLauncher', () => {
  it('takes the strongest one that works here', DEADLINE, async () => {
    const launcher = await detectLauncher()

    const best = ['bubblewrap', 'unshare', 'plain'].find((name) => launchers.has(name))!
    process.stderr.write(`launchers: the strongest here is ${best} (${launcher.containment})\n`)
    expect(launcher.containment).toBe(launchers.get(best)!.containment)
  })

  it('falls back to no containment where no tool is found', async () => {
    const reasons: object[] = []

    const launcher = await detectLauncher({
      path: '/nowhere',
      log: { info: (fields) => reasons.push(fields) },
    })

    expect(launcher.containment).toBe('none')
    expect(reasons).toEqual([
      { launcher: 'bubblewrap', reason: 'not installed' },
      { launcher: 'unshare', reason: 'not installed' },
    ])
  })
})

describe.each([...launchers])('%s', (_name, launcher) => {
  it('passes stdin, stdout, stderr and the exit code', DEADLINE, async () => {
    const launched = await launch(launcher, ['sh', '-c', 'cat; echo oops >&2; exit 7'])
    launched.stdin.end('to the program')

    const [out, err, status] = await Promise.all([
      text(launched.stdout),
      text(launched.stderr),
      launched.exited,
    ])

    expect({ out, err, status }).toEqual({
      out: 'to the program',
      err: 'oops\n',
      status: { code: 7, signal: null },
    })
  })

  it('gives the program exactly the environment of the request', DEADLINE, async () => {
    const names = (await outputOf(launcher, 'env', { env: { GREETING: 'hello' } }))
      .split('\n')
      .map((line) => line.split('=')[0])
      .filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name!))

    expect(new Set(names)).toEqual(new Set([MARKER, 'GREETING', 'PATH']))
  })

  it('stops a program with children in other sessions and orphans', DEADLINE, async () => {
    const script = 'setsid sleep 300 & (sleep 300 &) ; nohup sleep 300 >/dev/null & echo up; sleep 300'
    const launched = await launch(launcher, ['sh', '-c', script])
    await new Promise((resolve) => launched.stdout.once('data', resolve))
    await until(() => marked(launched.mark).length >= 5, 5_000, 'all children are up')

    const begun = performance.now()
    await launched.stop(1_000)

    expect(marked(launched.mark)).toEqual([])
    expect(performance.now() - begun).toBeLessThan(2_000)
  })

  it('kills what ignores SIGTERM after the grace time, and may be called twice', DEADLINE, async () => {
    const launched = await launch(launcher, ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 1; done'])
    await new Promise((resolve) => launched.stdout.once('data', resolve))

    const [first, second] = await Promise.all([launched.stop(200), launched.stop(200)])

    expect(first.signal ?? first.code).not.toBe(0)
    expect(second).toEqual(first)
    expect(marked(launched.mark)).toEqual([])
  })

  it('lets the program end by itself on SIGTERM', DEADLINE, async () => {
    const launched = await launch(launcher, [
      'sh',
      '-c',
      'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done',
    ])
    const said = text(launched.stdout)
    await until(() => marked(launched.mark).length > 0, 5_000, 'the program is up')
    await new Promise((resolve) => launched.stdout.once('data', resolve))

    await launched.stop(5_000)

    expect(await said).toBe('up\nbye\n')
  })

  it('ends what a program left behind when it ended', DEADLINE, async () => {
    const launched = await launch(launcher, ['sh', '-c', 'setsid sleep 300 >/dev/null 2>&1 & exit 0'])
    await launched.exited

    await launched.stop(200)

    expect(marked(launched.mark)).toEqual([])
  })

  it('refuses a program that does not exist and a folder it may not write', DEADLINE, async () => {
    await expect(launch(launcher, ['no-such-program'])).rejects.toThrow('cannot be found')
    await expect(launch(launcher, ['true'], { cwd: '/usr' })).rejects.toThrow('no writable folder')
  })
})

describe.each([...launchers.keys()].filter((name) => name !== 'plain'))('%s', (name) => {
  it('leaves nothing behind when our process is killed', DEADLINE, async () => {
    const mark = randomUUID()
    const parent: ChildProcess = spawn(
      process.execPath,
      [join(import.meta.dirname, '../support/launch-and-wait.ts'), name, folder, mark],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await new Promise((resolve) => parent.stdout!.once('data', resolve))
    await until(() => marked(mark).length >= 5, 5_000, 'all children are up')

    parent.kill('SIGKILL')

    await until(() => marked(mark).length === 0, 2_000, 'all are gone')
  })
})

describe.runIf(launchers.has('bubblewrap'))('bubblewrap', () => {
  const bubblewrap = launchers.get('bubblewrap')!

  it('lets the program write its own folders and nothing else', DEADLINE, async () => {
    const target = join(folder, 'inside')
    const said = await outputOf(
      bubblewrap,
      `echo yes > ${target}; echo no > /etc/agent-manager-test; echo no > /usr/agent-manager-test; echo private > /tmp/agent-manager-test`,
    )

    expect(existsSync(target)).toBe(true)
    expect(said.match(/Read-only file system/g)).toHaveLength(2)
    expect(existsSync('/etc/agent-manager-test')).toBe(false)
    expect(existsSync('/tmp/agent-manager-test')).toBe(false)
  })

  it('does not let root make the rest writable again', DEADLINE, async () => {
    const said = await outputOf(
      bubblewrap,
      'mount -o remount,rw,bind / ; umount /tmp; unshare -Urm mount -o remount,rw,bind / ; touch /etc/agent-manager-test',
    )

    expect(said).toContain('Read-only file system')
    expect(existsSync('/etc/agent-manager-test')).toBe(false)
  })

  it('hides folders, and shows in them what the request names', DEADLINE, async () => {
    const home = join(folder, 'home')
    for (const name of ['secret', 'cli', 'work/private/mine'])
      mkdirSync(join(home, name), { recursive: true })
    for (const name of ['secret/key', 'cli/program', 'work/private/other'])
      writeFileSync(join(home, name), `content of ${name}`)
    const work = join(home, 'work')

    const said = await outputOf(
      bubblewrap,
      `cat ${home}/secret/key; cat ${home}/cli/program; echo; echo x > ${home}/cli/program; echo x > ${work}/new; ls ${work} ${work}/private; echo x > ${work}/private/mine/new`,
      {
        cwd: work,
        hidden: [home, join(work, 'private')],
        readable: [join(home, 'cli')],
        writable: [work, join(work, 'private/mine')],
      },
    )

    expect(said).not.toContain('content of secret/key')
    expect(said).toContain('content of cli/program')
    expect(said).toContain('Read-only file system')
    expect(said).not.toContain('other')
    expect(existsSync(join(work, 'new'))).toBe(true)
    expect(existsSync(join(work, 'private/mine/new'))).toBe(true)
  })

  it('sees no processes but its own', DEADLINE, async () => {
    const said = await outputOf(bubblewrap, 'ls /proc | grep -c "^[0-9]"')

    expect(Number(said)).toBeLessThan(8)
  })

  it('reaches the network only where it is allowed', DEADLINE, async () => {
    const server = createServer((_request, response) => response.end('reached'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address!.port : 0
    const script = `'${process.execPath}' -e "fetch('http://127.0.0.1:${port}').then(r => r.text()).then(console.log, () => console.log('refused'))"`

    // The checkout may lie in a folder that the container empties.
    const readable = [dirname(process.execPath)]
    const allowed = await outputOf(bubblewrap, script, { readable })
    const denied = await outputOf(bubblewrap, script, { readable, network: 'deny' })
    server.close()

    expect([allowed, denied]).toEqual(['reached', 'refused'])
  })

  it('finds names as before', DEADLINE, async () => {
    expect(await outputOf(bubblewrap, 'cat /etc/resolv.conf >/dev/null && echo readable')).toBe('readable')
  })
})
