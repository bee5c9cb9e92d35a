/**
 * Full containment: own mounts, PIDs, IPC and host name. The whole root is read-only, temporary folders are
 * empty, hidden folders are gone, and only the writable folders can be written. When our process dies, however
 * it dies, the kernel ends everything inside; that is tied to the thread that launches, which must therefore be
 * the main one.
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'
import type { Launcher, LaunchRequest } from '../../internal/launcher/port.ts'
import { checkRequest, isWithin, startSupervised } from './supervised.ts'

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

/** @param bwrap absolute path of the bubblewrap program */
export function createBubblewrapLauncher(bwrap: string): Launcher {
  return {
    containment: 'full',
    async launch(request) {
      const program = checkRequest(request)
      const args = [
        ...bubblewrapOptions(request, process.getuid?.() === 0),
        '--',
        program,
        ...request.argv.slice(1),
      ]
      return startSupervised({ file: bwrap, args, request, wrapped: true, cwd: '/' })
    },
  }
}

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
    ...mountsOf(request).flatMap(mountOption),
    // An emptied folder that took writes would look to the agent like the real one; those of EMPTY_FOLDERS are
    // its scratch space.
    ...request.hidden.filter(existsSync).flatMap((path) => ['--remount-ro', realpathSync(path)]),
    ...['--chdir', realpathSync(request.cwd)],
  ]
}

/** The deeper path wins over the one that holds it; at the same path writable over readable over hidden. */
function mountsOf(request: LaunchRequest): Mount[] {
  const named = (kind: MountKind, paths: readonly string[]): Mount[] =>
    paths.map((path) => ({ kind, path: realpathSync(path) }))
  return [
    ...named('hidden', [...EMPTY_FOLDERS, ...request.hidden].filter(existsSync)),
    ...named('readable', [...request.readable, ...KEPT_OF_RUN.filter(existsSync), ...nameService()]),
    ...named('writable', request.writable),
  ].sort(
    (one, other) => depth(one.path) - depth(other.path) || MOUNT_ORDER[one.kind] - MOUNT_ORDER[other.kind],
  )
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
