/** Ways out of full containment, tried by a hostile agent: as the user of the tests, and as nobody where that is root. */
import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, chownSync, closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { ESCAPE_HOST, tryToEscape } from '../support/escape-host.ts'

const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
const NOBODY = 65534
const isRoot = process.getuid?.() === 0
const contained = (await detectLauncher()).containment === 'full'
if (!contained) process.stderr.write('launchers-escape: no full containment here; install bubblewrap\n')

/** Whether nobody may read the checkout; a clone below /root is not. */
function canBeNobody(): boolean {
  try {
    execFileSync(
      findProgram('setpriv', PATH) ?? 'setpriv',
      [...AS_NOBODY, process.execPath, '-e', `require('fs').readFileSync('${ESCAPE_HOST}')`],
      {
        stdio: 'ignore',
      },
    )
    return true
  } catch {
    process.stderr.write('launchers-escape: nobody cannot read the checkout, only root is tried\n')
    return false
  }
}
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--']
const users = isRoot ? (canBeNobody() ? ['root', 'nobody'] : ['root']) : ['user']

const abstractName = randomUUID()
let folder = ''
let server: Server
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'escape-'))
  chmodSync(folder, 0o777)
  server = createServer((socket) => socket.end('outside')).listen(`\0${abstractName}`)
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

describe.runIf(contained).each(users)('%s', (user) => {
  async function attempt(script: string, starter: readonly string[] = []): Promise<string> {
    const own = mkdtempSync(join(folder, `${user}-`))
    if (user === 'nobody') chownSync(own, NOBODY, NOBODY)
    const command = [...starter, process.execPath, ESCAPE_HOST, own, script]
    const [file = '', ...args] = user === 'nobody' ? ['setpriv', ...AS_NOBODY, ...command] : command
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
    await once(child, 'close')
    return said
  }

  it('cannot change what holds for the whole machine', async () => {
    // The value that is there already: should it succeed, nothing happens.
    const settings = ['kernel/core_pattern', 'kernel/modprobe', 'vm/overcommit_memory'].map(
      (name) => `/proc/sys/${name}`,
    )
    const script = settings
      .map((file) => `[ ! -e ${file} ] || { cat ${file} > ${file} && echo written; }`)
      .join('\n')

    const said = await attempt(`${script}\necho tried`)

    expect(said).toMatch(/tried$/)
    expect(said).not.toContain('written')
  })

  it('cannot mount the control groups that hold the service', async () => {
    const mount = 'mount -t cgroup2 none /mnt && echo mounted'
    const said = await attempt(`unshare --user --map-root-user --cgroup --mount sh -c '${mount}'
unshare --user --map-root-user --mount sh -c '${mount}'; echo tried`)

    expect(said).toMatch(/tried$/)
    expect(said).not.toContain('mounted')
  })

  it('may still build namespaces of its own, as nested sandboxes do', async () => {
    const said = await attempt('bwrap --unshare-user --unshare-pid --unshare-net --ro-bind / / echo nested')

    expect(said).toBe('nested')
  })

  it('has no keyrings, no vsock, no bpf, no io_uring', async ({ skip }) => {
    skip(findProgram('perl', PATH) === null, 'perl is not installed: nothing to make system calls with')
    const numbers = process.arch === 'arm64' ? '219, 280, 425' : '250, 321, 425'
    const said = await attempt(
      `perl -e 'for (${numbers}) { print syscall($_, 0, 0, 0, 0, 0), " ", $!+0, "\\n" } print socket(S, 40, 1, 0) ? "vsock" : "none"'`,
    )

    expect(said).toBe('-1 1\n-1 1\n-1 1\nnone')
  })

  it('makes no device nodes and gains nothing by setuid programs', async () => {
    const said = await attempt(`mknod disk b 254 0; mknod null c 1 3; ls
grep -E 'NoNewPrivs|Seccomp:' /proc/self/status`)

    expect(said).toMatch(/Operation not permitted\n.*Operation not permitted\n/)
    expect(said.split('\n').slice(2)).toEqual(['NoNewPrivs:\t1', 'Seccomp:\t2'])
  })

  it('sees no shared memory, queues or System V objects of others', async () => {
    const file = `/dev/shm/${randomUUID()}`
    closeSync(openSync(file, 'w', 0o666))
    const said = await attempt(
      `ls -A /dev/shm /dev/mqueue; echo x > ${file}-mine; tail -n +2 /proc/sysvipc/shm`,
    )
    rmSync(file)

    expect(said).not.toContain(file.slice(9, 20))
    expect(existsSync(`${file}-mine`)).toBe(false)
    expect(said.split('\n').filter((line) => /^\s*\d/.test(line))).toEqual([])
  })

  it('gets no open file of those who started us', async ({ skip }) => {
    skip(findProgram('perl', PATH) === null, 'perl is not installed: nothing to leave a file open with')
    // Node itself closes those that follow each other without a gap.
    const open = 'use POSIX; POSIX::dup2(POSIX::open(shift, O_RDONLY), 40); exec @ARGV'
    const said = await attempt('ls -l /proc/self/fd/40; echo x > /proc/self/fd/40/escaped', [
      ...['perl', '-e', open, folder],
    ])

    expect(existsSync(join(folder, 'escaped'))).toBe(false)
    expect(said).not.toContain(`-> ${folder}`)
  })

  it('cannot signal or look into processes outside', async () => {
    const said =
      await attempt(`kill -0 ${process.pid} && echo reached; cat /proc/${process.pid}/environ && echo read
tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1; ls /proc/1/root/proc | grep -c '^[0-9]'`)

    expect(said).not.toMatch(/reached|read$/m)
    expect(said).toContain('PATH')
    expect(said).not.toContain('HOME')
    expect(Number(said.split('\n').at(-1))).toBeLessThan(10)
  })

  it('has no terminal to type into', async () => {
    expect(await attempt('echo x > /dev/tty || echo none')).toMatch(/none$/)
  })
})

describe.runIf(contained)('abstract sockets of other programs', () => {
  it('are reached with the network and not without', async ({ skip }) => {
    skip(findProgram('perl', PATH) === null, 'perl is not installed: nothing to connect with')
    const name = abstractName
    const script = `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un("\\x00${name}")) or die "none"; print <S>'`

    expect(await tryToEscape(folder, script, { network: 'allow' })).toBe('outside')
    expect(await tryToEscape(folder, script, { network: 'deny' })).toContain('none')
  })
})
