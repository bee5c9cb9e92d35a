import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createBubblewrapLauncher } from '../../adapters/launchers/bubblewrap.ts'
import { trial } from '../../adapters/launchers/detect.ts'
import type { LaunchedProcess } from '../../internal/launcher/port.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { isAgentPeer } from '../../internal/process/peer.ts'
import type { TcpPeer } from '../../internal/process/tcp-sockets.ts'
import { MARKER, until } from '../support/marked-processes.ts'

const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
const OURS = randomUUID()
const MARK = `${OURS}:run:1:replica`

/**
 * Connects as it is told and waits until the other end closes: some of them leave their parents, and nobody else
 * could end them. `gone`: says its word and closes without waiting for an answer.
 */
const CALLER = `
const [port, how] = process.argv.slice(1)
const host = { mapped: '::ffff:127.0.0.1', six: '::1' }[how] ?? '127.0.0.1'
const local = how.startsWith('from:') ? { localAddress: how.slice(5) } : {}
const socket = require('node:net').connect({ host, port, ...local })
socket.on('connect', () => socket.write('hello', () => how === 'gone' && socket.destroy()))
socket.on('error', () => undefined)
socket.on('close', () => how === 'gone' || process.exit())
setTimeout(() => process.exit(), 60_000)
`

const bwrap = findProgram('bwrap', PATH)
const bubblewrap =
  bwrap === null ? null : createBubblewrapLauncher({ bwrap, unshare: findProgram('unshare', PATH) })
const fault = bubblewrap === null ? 'not installed' : await trial(bubblewrap)
if (fault !== null) process.stderr.write(`agent-caller: bubblewrap cannot be tested here: ${fault}\n`)

let server: Server
let folder = ''
const accepted: Socket[] = []
const children: ChildProcess[] = []
const launched: LaunchedProcess[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'caller-'))
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    accepted.push(socket)
  })
  server.listen(0, '::')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const one of launched.splice(0)) await one.stop(0)
  for (const socket of accepted.splice(0)) socket.destroy()
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const port = (): string => {
  const address = server.address()
  return typeof address === 'object' ? String(address?.port) : ''
}

async function peer(): Promise<TcpPeer> {
  await until(() => accepted[0]?.remotePort !== undefined, 10_000, 'the caller has connected')
  const { remoteAddress, remotePort, localPort } = accepted[0]!
  return { address: remoteAddress!, port: remotePort!, localPort: localPort! }
}

function run(file: string, args: readonly string[], mark: string | null): void {
  const env = { PATH, ...(mark === null ? {} : { [MARKER]: mark }) }
  children.push(spawn(file, args, { env, stdio: 'ignore' }))
}

const caller = (how = 'four'): string[] => [process.execPath, '-e', CALLER, port(), how]
const quoted = (argv: readonly string[]): string =>
  argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')

describe('isAgentPeer', () => {
  it.each(['four', 'six', 'mapped', 'from:127.0.0.9'])('knows an agent over %s', async (how) => {
    run(process.execPath, caller(how).slice(1), MARK)

    expect(isAgentPeer(await peer(), OURS)).toBe(true)
  })

  it('knows an agent that calls from an address of a network card', async ({ skip }) => {
    const card = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal)
    skip(card === undefined, 'this machine has no address but the loopback')
    run(process.execPath, caller(`from:${card!.address}`).slice(1), MARK)

    expect(isAgentPeer(await peer(), OURS)).toBe(true)
  })

  it.each(['four', 'six', 'mapped', 'from:127.0.0.9'])(
    'lets others call over %s while an agent runs',
    async (how) => {
      run('sleep', ['300'], MARK)
      run(process.execPath, caller(how).slice(1), null)

      expect(isAgentPeer(await peer(), OURS)).toBe(false)
    },
  )

  it('lets the agent of another installation call', async () => {
    run('sleep', ['300'], MARK)
    run(process.execPath, caller().slice(1), `${randomUUID()}:run:1:replica`)

    expect(isAgentPeer(await peer(), OURS)).toBe(false)
  })

  it('knows a child that emptied its environment', async () => {
    run('sh', ['-c', `env -i ${quoted(caller())} & wait`], MARK)

    expect(isAgentPeer(await peer(), OURS)).toBe(true)
  })

  it('knows an orphan that emptied its environment and stayed in its session', async () => {
    run('setsid', ['sh', '-c', `(env -i ${quoted(caller())} &) ; exec sleep 300`], MARK)

    expect(isAgentPeer(await peer(), OURS)).toBe(true)
  })

  it('does not let a caller through who is gone already', async () => {
    run(process.execPath, caller('gone').slice(1), null)
    const gone = await peer()

    await until(() => isAgentPeer(gone, OURS), 5_000, 'it counts as an agent')
  })

  it('asks nothing about other machines', () => {
    expect(isAgentPeer({ address: '198.51.100.7', port: 4711, localPort: 80 }, OURS)).toBe(false)
  })

  it.runIf(fault === null)('knows an orphan in the container that hid in every way it can', async () => {
    const inner = `setsid sh -c ${quoted([`(setsid env -i ${quoted(caller())} &)`])} & sleep 300`
    const agent = await bubblewrap!.launch({
      argv: ['sh', '-c', inner],
      env: { PATH, [MARKER]: MARK },
      cwd: folder,
      writable: [folder],
      readable: [dirname(process.execPath)],
      hidden: [],
      network: 'allow',
    })
    launched.push(agent)

    expect(isAgentPeer(await peer(), OURS)).toBe(true)
  })
})
