/**
 * Full containment: own mounts, PIDs, IPC and host name. The whole root is read-only, temporary folders are
 * empty, hidden folders are gone, and only the writable folders can be written. When our process dies, however
 * it dies, the kernel ends everything inside; that is tied to the thread that launches, which must therefore be
 * the main one.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import type { Launcher, LaunchRequest } from '../../internal/launcher/port.ts'
import { seccompFilter } from './seccomp.ts'
import { checkRequest, HANDOVER_DESCRIPTOR, isWithin, startSupervised } from './supervised.ts'

/** Other programs' sockets live in /run: the message bus, ssh agents, container engines. */
const EMPTY_FOLDERS = ['/tmp', '/var/tmp', '/run']
/** Programs themselves live here on NixOS. */
const KEPT_OF_RUN = ['/run/current-system', '/run/opengl-driver']

/**
 * What root keeps inside. As root bwrap drops nothing by itself, and CAP_SYS_ADMIN would let the agent remount
 * the root writable; SETFCAP is what a nested user namespace needs to map root.
 */
const ROOT_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETUID',
]

/**
 * What root could set for the whole machine through a proc of its own, although it has no capabilities left:
 * a command that the kernel runs for it outside (`core_pattern`), for one. Bubblewrap covers `irq`, `bus` and
 * `sysrq-trigger` itself. Not covered for others: they cannot write there, and a proc with covered parts forbids
 * them to mount one in a sandbox of their own.
 */
const READ_ONLY_PROC = ['sys', 'fs', 'acpi', 'scsi', 'asound', 'driver', 'dynamic_debug', 'mtrr']

/**
 * @param tools absolute paths of `bwrap` and of util-linux's `unshare`; without the latter, what is mounted on the
 * machine while an agent runs appears inside, and writable, where the machine's mounts are shared (as systemd's are)
 */
export function createBubblewrapLauncher(tools: {
  readonly bwrap: string
  readonly unshare: string | null
}): Launcher {
  return {
    containment: 'full',
    async launch(request) {
      const program = checkRequest(request)
      const isRoot = process.getuid?.() === 0
      const handover = seccompFilter()
      const command = [
        ...(tools.unshare === null ? [] : ownMounts(tools.unshare, isRoot)),
        tools.bwrap,
        ...(handover === null ? [] : ['--seccomp', String(HANDOVER_DESCRIPTOR)]),
        ...bubblewrapOptions(request, isRoot),
        '--',
        program,
        ...request.argv.slice(1),
      ]
      const [file = tools.bwrap, ...args] = command
      return startSupervised({ file, args, request, wrapped: true, cwd: '/', handover })
    },
  }
}

/** Bubblewrap keeps receiving mounts from outside: cut off before it starts. Nothing to do where none are sent. */
function ownMounts(unshare: string, asRoot: boolean): string[] {
  // proc_pid_mountinfo(5): optional fields of mounts that send or receive.
  const isPropagated = / (shared|master):\d+ /.test(readFileSync('/proc/self/mountinfo', 'utf8'))
  const user = asRoot ? [] : ['--user', '--map-current-user']
  return isPropagated ? [unshare, ...user, '--mount', '--propagation', 'private', '--'] : []
}

const readOnlyProc = (): string[] =>
  READ_ONLY_PROC.map((name) => `/proc/${name}`)
    .filter(existsSync)
    .flatMap((path) => ['--ro-bind', path, path])

type MountKind = 'hidden' | 'readable' | 'writable'

const MOUNT_ORDER = { hidden: 0, readable: 1, writable: 2 } as const satisfies Record<MountKind, number>

interface Mount {
  readonly kind: MountKind
  readonly path: string
}

/** Everything before the `--`. Pure but for the look at which folders exist and where links lead. */
export function bubblewrapOptions(request: LaunchRequest, asRoot: boolean): string[] {
  return [
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--new-session'],
    ...(request.network === 'deny' ? ['--unshare-net'] : []),
    ...(asRoot ? ['--cap-drop', 'ALL', ...ROOT_CAPABILITIES.flatMap((name) => ['--cap-add', name])] : []),
    ...['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc'],
    ...(asRoot ? readOnlyProc() : []),
    ...mountsOf(request).flatMap(mountOption),
    // An emptied folder that took writes would look to the agent like the real one; those of EMPTY_FOLDERS are
    // its scratch space.
    ...request.hidden.filter(existsSync).flatMap((path) => ['--remount-ro', realpathSync(path)]),
    ...['--chdir', realpathSync(request.cwd)],
  ]
}

/**
 * The deeper path wins over the one that holds it; at the same path writable over readable over hidden. What does
 * not exist cannot be shown, and making it is not our part.
 */
function mountsOf(request: LaunchRequest): Mount[] {
  const named = (kind: MountKind, paths: readonly string[]): Mount[] =>
    paths.filter(existsSync).map((path) => ({ kind, path: realpathSync(path) }))
  for (const path of [...request.writable, ...request.readable]) refuseWayOut(path, request.writable)
  const mounts = [
    ...named('hidden', [...EMPTY_FOLDERS, ...request.hidden]),
    ...named('readable', [...request.readable, ...KEPT_OF_RUN, ...nameService()]),
    ...named('writable', request.writable),
  ]
  return inOrder([...mounts, ...pinsOf(mounts)])
}

const inOrder = (mounts: readonly Mount[]): Mount[] =>
  mounts.toSorted(
    (one, other) => depth(one.path) - depth(other.path) || MOUNT_ORDER[one.kind] - MOUNT_ORDER[other.kind],
  )

/**
 * Folders on the way from a writable one to what is hidden or read-only in it. Mounted on themselves they cannot be
 * renamed; else the agent would move what is hidden to where the next launch does not look for it.
 */
function pinsOf(mounts: readonly Mount[]): Mount[] {
  return mounts.flatMap(({ path }) => {
    const around = inOrder(mounts.filter((each) => each.path !== path && isWithin(path, each.path))).at(-1)
    if (around?.kind !== 'writable') return []
    const names = relative(around.path, dirname(path))
      .split('/')
      .filter((name) => name !== '')
    return names.map(
      (_, index): Mount => ({
        kind: 'writable',
        path: join(around.path, ...names.slice(0, index + 1)),
      }),
    )
  })
}

/**
 * In a folder that an earlier turn could write, a link may lie where a folder used to be: what it leads to would be
 * shown, or could even be written.
 * @throws Error when the path leaves the writable folder that it is in
 */
function refuseWayOut(path: string, writable: readonly string[]): void {
  for (const folder of writable) {
    if (path === folder || !isWithin(path, folder) || !existsSync(path)) continue
    if (realpathSync(path) !== join(realpathSync(folder), relative(folder, path)))
      throw new Error(`${path} must not lead through a link: the agent may have put it there`)
  }
}

const depth = (path: string): number => path.split('/').filter((part) => part !== '').length

function mountOption(mount: Mount): string[] {
  switch (mount.kind) {
    case 'hidden':
      return ['--tmpfs', mount.path]
    case 'readable':
      return ['--ro-bind', mount.path, mount.path]
    case 'writable':
      return ['--bind', mount.path, mount.path]
  }
}

/** The folder that /etc/resolv.conf leads to, where that lies in a folder we empty. */
function nameService(): string[] {
  try {
    const folder = dirname(realpathSync('/etc/resolv.conf'))
    const inEmptied = EMPTY_FOLDERS.some((empty) => folder !== empty && isWithin(folder, empty))
    return inEmptied ? [folder] : []
  } catch {
    return [] // no resolv.conf: nothing to keep
  }
}
