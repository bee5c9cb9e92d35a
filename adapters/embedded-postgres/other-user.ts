/**
 * Running Postgres as a user of its own, with copies of the programs, because neither the installation nor
 * the data folder need be open to others. The home (mode 0710, owned by that user) lies in the data folder
 * where everybody may pass through to it, as in a container's volume, else under /var/tmp.
 */
import {
  chmodSync,
  cpSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { cannotRun } from './failure.ts'
import { clusterOf, hasCluster, hashOf, type Layout, statOf } from './layout.ts'
import { giveTree, namedUser, privateFolder } from './ownership.ts'
import { occupantOf } from './pid-file.ts'

export interface OtherUser {
  readonly home: string
  readonly uid: number
  /**
   * initdb wants a user with a name, which `uid` has not, so it runs as this one (`nobody`), in the group of
   * `uid`: other processes of nobody are not in it and can neither reach the files nor trace the program.
   */
  readonly makerUid: number
  /** Copy of the programs inside `home`. */
  readonly programs: string
}

/**
 * 60600 to 61099: no distribution hands these out (systemd's dynamic users begin at 61184, Debian's fixed
 * ones lie at 64000), and a user per data folder keeps two databases of one machine apart.
 */
const FIRST_UID = 60_600
const UIDS = 500

interface Place {
  readonly dataDir: string
  readonly layout: Layout
  readonly binaries: Binaries
}

/**
 * Makes the home or takes the one of an earlier start.
 * @throws EmbeddedPostgresError when it is not ours, has vanished, or would hide an existing cluster
 */
export function prepareOtherUser({ dataDir, layout, binaries }: Place): OtherUser {
  refuseOwnCluster(layout)
  const inside = insideHomeOf(layout)
  const existing = existingHome(layout)
  if (existing !== undefined && existing !== inside) refuseLost(existing, outsideHomeOf(dataDir), layout)
  const home = existing ?? (isOpenToAll(dataDir) ? inside : outsideHomeOf(dataDir))
  // Inside the data folder nobody else can have made it, so after a move of that folder its user stays.
  const uid = (home === inside && statOf(inside)?.uid) || uidOf(dataDir)
  if (home === inside) chmodSync(layout.folder, 0o711)
  const makerUid = namedUser()
  if (makerUid === undefined)
    throw cannotRun('/etc/passwd names no user but root, and initdb wants a named one')
  privateFolder(home, uid, 0o710) // its group has no members: x for it lets the maker alone pass through
  return { home, uid, makerUid, programs: copyPrograms(binaries, home, uid) }
}

/** The home of this data folder's cluster if it was made as another user, or where that home should be. */
export function existingHome(layout: Layout): string | undefined {
  if (statOf(layout.placement) !== undefined) return readFileSync(layout.placement, 'utf8').trim()
  return hasCluster(insideHomeOf(layout)) ? insideHomeOf(layout) : undefined
}

/** Notes the place of a cluster outside, so that its loss is noticed instead of replaced by an empty one. */
export function recordHome(home: string, layout: Layout): void {
  if (dirname(home) !== layout.folder) writeFileSync(layout.placement, `${home}\n`, { mode: 0o600 })
}

const uidOf = (dataDir: string): number =>
  FIRST_UID + (Number.parseInt(hashOf(dataDir).slice(0, 8), 16) % UIDS)

const insideHomeOf = (layout: Layout): string => join(layout.folder, 'other-user')

const outsideHomeOf = (dataDir: string): string => `/var/tmp/agent-manager-${hashOf(dataDir)}`

const programsName = (binaries: Binaries): string => `native-${binaries.version}`

function refuseOwnCluster(layout: Layout): void {
  if (!hasCluster(layout.folder)) return
  throw cannotRun(
    `${clusterOf(layout.folder)} was made where user namespaces are allowed, and here they are not`,
  )
}

function refuseLost(recorded: string, expected: string, layout: Layout): void {
  if (recorded !== expected)
    throw cannotRun(`${layout.placement} names ${recorded}, the place of another path`)
  if (hasCluster(recorded)) return
  throw cannotRun(
    `its files were in ${recorded} and are gone (to begin with an empty database, remove ${layout.placement})`,
  )
}

/** True when every folder on the way may be passed through by anybody. */
function isOpenToAll(folder: string): boolean {
  const mode = statOf(folder)?.mode ?? 0
  return (mode & 0o001) !== 0 && (dirname(folder) === folder || isOpenToAll(dirname(folder)))
}

function copyPrograms(binaries: Binaries, home: string, uid: number): string {
  const target = join(home, programsName(binaries))
  if (statOf(target) !== undefined) return target
  const half = join(home, 'copying')
  rmSync(half, { recursive: true, force: true })
  // Static libraries and build files are half of the package and of no use at run time.
  const isWanted = (path: string): boolean => !path.endsWith('.a') && !path.endsWith('/pkgconfig')
  cpSync(binaries.folder, half, { recursive: true, verbatimSymlinks: true, filter: isWanted })
  giveTo(half, uid)
  renameSync(half, target)
  if (occupantOf(clusterOf(home)).kind !== 'postmaster') removeOldPrograms(home, binaries)
  return target
}

/** Of earlier versions. A living postmaster still reads files of the one it was started from. */
function removeOldPrograms(home: string, binaries: Binaries): void {
  const old = readdirSync(home).filter(
    (name) => name.startsWith('native-') && name !== programsName(binaries),
  )
  for (const name of old) rmSync(join(home, name), { recursive: true, force: true })
}

/** Readable to the user and the group, whatever umask the installation was made under. */
function giveTo(folder: string, uid: number): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isSymbolicLink()) chmodSync(path, lstatSync(path).mode & 0o100 ? 0o750 : 0o640)
  }
  chmodSync(folder, 0o750)
  giveTree(folder, uid)
}
