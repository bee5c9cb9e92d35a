/** Where everything of the embedded database lies. See README.md for the picture. */
import { createHash } from 'node:crypto'
import { lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

/** Names the socket's file; nothing listens on a network. */
export const PORT = 5432

export interface Layout {
  /** `<dataDir>/postgres`, mode 0700. */
  readonly folder: string
  readonly lock: string
  readonly log: string
  readonly password: string
  /** Names the home of the cluster when that is not `folder`. */
  readonly placement: string
}

/** @param dataDir absolute, without links: the same folder must always have the same name */
export function layoutOf(dataDir: string): Layout {
  const folder = join(dataDir, 'postgres')
  return {
    folder,
    lock: join(folder, 'lock'),
    log: join(folder, 'log'),
    password: join(folder, 'password'),
    placement: join(folder, 'placement'),
  }
}

/** 16 hex digits that stand for a data folder in places that several of them share. */
export function hashOf(dataDir: string): string {
  return createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
}

/**
 * The folder of the socket: in the cluster's home, or, when that path cannot be a socket's address, a folder
 * of our own under /tmp (not os.tmpdir(): a changed TMPDIR must not hide a living postmaster).
 */
export function socketFolderOf(home: string, dataDir: string): string {
  const preferred = join(home, 'run')
  return fitsSocket(preferred) ? preferred : `/tmp/agent-manager-${hashOf(dataDir)}`
}

/** sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero among them. */
const SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** Postgres splits its setting at commas and reads double quotes as quotes. */
function fitsSocket(folder: string): boolean {
  const bytes = Buffer.byteLength(join(folder, `.s.PGSQL.${PORT}`))
  return bytes <= SOCKET_PATH_BYTES && !/[,"]/.test(folder)
}

/** @returns undefined when there is nothing of that name; a link is described itself, not followed */
export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/** Postgres calls the folder of a database server's files a cluster. */
export function clusterOf(home: string): string {
  return join(home, 'data')
}

export function hasCluster(home: string): boolean {
  return statOf(clusterOf(home)) !== undefined
}
