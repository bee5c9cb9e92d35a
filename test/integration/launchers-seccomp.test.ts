/** The filter's program, run as the kernel would run it: for both architectures, of which a machine has only one. */
import { describe, expect, it } from 'vitest'
import { seccompFilter } from '../../adapters/launchers/seccomp.ts'

const ALLOW = 0x7fff0000
const KILL = 0x80000000
const errno = (value: number): number => 0x50000 | value
const NEW_USER = 0x10000000
const NEW_CGROUP = 0x02000000
const SIGCHLD = 17

/** What the filter answers to a call; a classic BPF machine with just the instructions that filters of calls use. */
function judge(filter: Uint8Array, arch: number, call: number, argument = 0): number {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(call, 0)
  data.writeUInt32LE(arch, 4)
  data.writeUInt32LE(argument, 16)
  const program = Buffer.from(filter)
  let word = 0
  for (let at = 0; at < program.length; at += 8) {
    const [code, value] = [program.readUInt16LE(at), program.readUInt32LE(at + 4)]
    const passes: Record<number, () => boolean> = {
      21: () => word === value,
      53: () => word >= value,
      69: () => (word & value) !== 0,
    }
    const test = passes[code]
    if (code === 0x20) word = data.readUInt32LE(value)
    else if (code === 0x06) return value
    else if (test) at += program.readUInt8(at + (test() ? 2 : 3)) * 8
    else throw new Error(`unknown instruction ${code}`)
  }
  throw new Error('the program has no end')
}

const MACHINES = [
  {
    machine: 'x64',
    arch: 0xc000003e,
    keyctl: 250,
    bpf: 321,
    clone: 56,
    unshare: 272,
    socket: 41,
    read: 0,
    execve: 59,
  },
  {
    machine: 'arm64',
    arch: 0xc00000b7,
    keyctl: 219,
    bpf: 280,
    clone: 220,
    unshare: 97,
    socket: 198,
    read: 63,
    execve: 221,
  },
] as const

describe.each(MACHINES)('seccompFilter on $machine', ({ machine, arch, ...calls }) => {
  const filter = seccompFilter(machine)!
  const answer = (call: number, argument?: number): number => judge(filter, arch, call, argument)

  it('refuses keyrings, bpf and io_uring', () => {
    expect([calls.keyctl, calls.bpf, 425].map((call) => answer(call))).toEqual([errno(1), errno(1), errno(1)])
  })

  it('refuses a control-group namespace, however it is asked for, and no other namespace', () => {
    for (const call of [calls.clone, calls.unshare]) {
      expect(answer(call, NEW_USER | NEW_CGROUP | SIGCHLD)).toBe(errno(1))
      expect(answer(call, NEW_USER | SIGCHLD)).toBe(ALLOW)
    }
    expect(answer(435)).toBe(errno(38))
  })

  it('refuses vsock and no other socket', () => {
    expect(answer(calls.socket, 40)).toBe(errno(97))
    for (const family of [1, 2, 10, 16]) expect(answer(calls.socket, family)).toBe(ALLOW)
  })

  it('lets everything else pass', () => {
    for (const call of [calls.read, calls.execve, 439, 441]) expect(answer(call)).toBe(ALLOW)
  })

  it('ends programs of another architecture, and refuses x32', () => {
    expect(judge(filter, 0x40000003, calls.read)).toBe(KILL)
    expect(answer(0x40000000 + calls.keyctl)).toBe(errno(38))
  })
})

it('has no filter for machines it was not written for', () => {
  expect(seccompFilter('riscv64')).toBeNull()
})
