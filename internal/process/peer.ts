/**
 * Who called: whether the process at the other end of a local connection belongs to a run. An agent must not
 * decide about itself, and it shares the loopback with us unless its network is denied.
 *
 * The socket is looked for in the hands of all processes of runs: those that carry the mark, their family
 * (family.ts), and whoever shares a foreign PID namespace with one of them. Not found there does not prove innocence,
 * for a socket can be passed on between two looks, so it must be found in the hands of somebody else. What remains
 * is answered "agent": a caller who is gone already, and one who cannot be seen while a run goes on (of our own user
 * in another PID namespace: a client on the host of a container that shares its network).
 *
 * It cannot see through somebody who speaks for the agent: a forwarding proxy on this machine is itself the caller.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import process from 'node:process'
import { familyOf } from './family.ts'
import { environmentOf, listProcesses, type ProcessRow, userOf } from './proc.ts'
import { findPeerSockets, isLocalAddress, type TcpPeer, type TcpSocket } from './tcp-sockets.ts'

const MARKER = 'AGENT_MANAGER_RUN'

/**
 * Whether the peer is, or cannot be told from, a process of a run of this installation. Only Linux can tell; elsewhere,
 * and for peers on other machines, the answer is false. Reads /proc synchronously (a few milliseconds): ask once per
 * connection and keep the answer, a connection does not change hands.
 */
export function isAgentPeer(peer: TcpPeer, installationId: string): boolean {
  if (process.platform !== 'linux' || !isLocalAddress(peer.address)) return false
  // The table is no snapshot: one look may miss what is there.
  const sockets = openSockets(peer) ?? openSockets(peer)
  const rows = listProcesses()
  const agents = agentsAmong(rows, installationId)
  if (sockets === null) return true
  if (sockets === 'unknown') return agents.length > 0
  if (agents.length === 0) return false
  const links = new Set(sockets.map(({ inode }) => `socket:[${inode}]`))
  if (agents.some((row) => holds(row, links))) return true
  const isAgent = new Set(agents.map((row) => row.pid))
  const others = rows.filter((row) => !isAgent.has(row.pid))
  // Who came last is asked first: callers are mostly younger than services.
  return !others.reverse().some((row) => holds(row, links)) && !areForeign(sockets, agents)
}

/** Null: nobody has the peer's end open. Unknown: this machine does not tell. */
function openSockets(peer: TcpPeer): readonly TcpSocket[] | 'unknown' | null {
  const found = findPeerSockets(peer)
  if (found === null) return 'unknown'
  const open = found.filter(({ inode }) => inode !== 0)
  return open.length === 0 ? null : open
}

function agentsAmong(rows: readonly ProcessRow[], installationId: string): readonly ProcessRow[] {
  const family = familyOf(
    (row) => environmentOf(row.pid, MARKER)?.startsWith(`${installationId}:`) === true,
    rows,
  )
  if (family.length === 0) return family
  const ours = pidNamespaceOf('self')
  const theirs = new Set(family.map((row) => pidNamespaceOf(row.pid)))
  theirs.delete(ours)
  theirs.delete(null)
  if (theirs.size === 0) return family
  const known = new Set(family)
  return [...family, ...rows.filter((row) => !known.has(row) && theirs.has(pidNamespaceOf(row.pid)))]
}

function pidNamespaceOf(pid: number | 'self'): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return null // it ended, or it belongs to another user
  }
}

function holds(row: ProcessRow, links: ReadonlySet<string>): boolean {
  const folder = `/proc/${row.pid}/fd`
  try {
    return readdirSync(folder).some((name) => links.has(linkOf(`${folder}/${name}`)))
  } catch {
    return false // it ended, or it belongs to another user
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}

/** Nobody whom we may look at has them, and they were made by a user who is neither ours nor an agent's. */
function areForeign(sockets: readonly TcpSocket[], agents: readonly ProcessRow[]): boolean {
  const self = process.getuid?.()
  if (self === undefined || self === 0) return false // root looked at everybody
  const users = new Set([self, ...agents.map((row) => userOf(row.pid))])
  return sockets.every(({ userId }) => !users.has(userId))
}
