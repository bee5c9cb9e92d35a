/**
 * The filter of system calls that a fully contained agent runs under: what namespaces and mounts do not hold.
 * Everything a compiler, a test suite or a nested sandbox needs stays; container engines refuse the same calls.
 *
 * - Keyrings know no namespaces: an agent would read and change those of the operator (Kerberos tickets, disk keys).
 * - A control-group namespace of its own lets an agent mount the tree of our group and end or freeze the service in
 *   one write (`cgroup.kill`). clone3 hides its flags from filters: without it every C library falls back to clone.
 * - AF_VSOCK reaches the hypervisor's services whatever the network namespace says; io_uring makes sockets unseen.
 * - bpf, perf_event_open and userfaultfd show or slow down the kernel; open_by_handle_at opens files past all mounts.
 *
 * Numbers: the kernel's asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64); constants: linux/seccomp.h,
 * linux/audit.h, linux/bpf_common.h, linux/sched.h.
 */
import { arch } from 'node:process'

interface Architecture {
  /** AUDIT_ARCH_*: the table of numbers that the filter is about. */
  readonly audit: number
  readonly refused: readonly number[]
  readonly clone3: number
  /** Their first argument holds CLONE_* flags. */
  readonly namespaceMakers: readonly number[]
  readonly socket: number
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: {
    audit: 0xc000003e,
    // add_key, request_key, keyctl, open_by_handle_at, perf_event_open, bpf, userfaultfd, io_uring_setup
    refused: [248, 249, 250, 304, 298, 321, 323, 425],
    clone3: 435,
    namespaceMakers: [56, 272], // clone, unshare
    socket: 41,
  },
  arm64: {
    audit: 0xc00000b7,
    refused: [217, 218, 219, 265, 241, 280, 282, 425],
    clone3: 435,
    namespaceMakers: [220, 97],
    socket: 198,
  },
}

const LOAD_WORD = 0x20 // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_AT_LEAST = 0x35 // BPF_JMP | BPF_JGE | BPF_K
const JUMP_BITS = 0x45 // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06 // BPF_RET | BPF_K

/** Offsets in struct seccomp_data; both architectures are little-endian, so the low half comes first. */
const NUMBER = 0
const AUDIT_ARCH = 4
const FIRST_ARGUMENT = 16

const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
const errno = (value: number): number => 0x00050000 | value
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]

const X32_NUMBERS = 0x40000000
const CLONE_NEWCGROUP = 0x02000000
const AF_VSOCK = 40

interface Instruction {
  readonly code: number
  readonly value: number
  /** How many instructions a jump skips when its condition holds, and when it does not. */
  readonly skip?: readonly [number, number]
}

/** The filter as `bwrap --seccomp` reads it (an array of struct sock_filter); null: not written for this machine. */
export function seccompFilter(machine: string = arch): Uint8Array | null {
  const table = ARCHITECTURES[machine]
  return table === undefined ? null : assemble(programOf(table))
}

function programOf(table: Architecture): Instruction[] {
  const refuse = (call: number, error: number): Instruction[] => when(JUMP_EQUAL, call, [end(errno(error))])
  const refuseArgument = (call: number, test: number, value: number, error: number): Instruction[] =>
    when(JUMP_EQUAL, call, [load(FIRST_ARGUMENT), ...when(test, value, [end(errno(error))]), end(ALLOW)])
  return [
    load(AUDIT_ARCH),
    // 32-bit programs number their calls otherwise, and one of those (socketcall) hides its arguments.
    ...unless(JUMP_EQUAL, table.audit, [end(KILL_PROCESS)]),
    load(NUMBER),
    ...when(JUMP_AT_LEAST, X32_NUMBERS, [end(errno(ENOSYS))]),
    ...table.refused.flatMap((call) => refuse(call, EPERM)),
    ...refuse(table.clone3, ENOSYS),
    ...table.namespaceMakers.flatMap((call) => refuseArgument(call, JUMP_BITS, CLONE_NEWCGROUP, EPERM)),
    ...refuseArgument(table.socket, JUMP_EQUAL, AF_VSOCK, EAFNOSUPPORT),
    end(ALLOW),
  ]
}

const load = (offset: number): Instruction => ({ code: LOAD_WORD, value: offset })
const end = (action: number): Instruction => ({ code: RETURN, value: action })

/** The body runs when the loaded word passes the test. */
const when = (test: number, value: number, body: readonly Instruction[]): Instruction[] => [
  { code: test, value, skip: [0, body.length] },
  ...body,
]

const unless = (test: number, value: number, body: readonly Instruction[]): Instruction[] => [
  { code: test, value, skip: [body.length, 0] },
  ...body,
]

/** struct sock_filter: u16 code, u8 skip when true, u8 skip when false, u32 value. */
function assemble(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8)
  for (const [index, { code, value, skip }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(skip?.[0] ?? 0, index * 8 + 2)
    bytes.writeUInt8(skip?.[1] ?? 0, index * 8 + 3)
    bytes.writeUInt32LE(value, index * 8 + 4)
  }
  return bytes
}
