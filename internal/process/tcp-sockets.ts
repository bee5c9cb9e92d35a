/** What /proc/net says about the TCP sockets of our own network namespace. */
import { readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { endianness, networkInterfaces } from 'node:os'

const MAPPED = '00000000000000000000ffff'

/** The other end of a connection that we accepted, as the accepted socket tells it. */
export interface TcpPeer {
  /** `remoteAddress`: IPv4, IPv6, or IPv4 in IPv6 (`::ffff:127.0.0.1`). */
  readonly address: string
  /** `remotePort` */
  readonly port: number
  /** `localPort`: ours, that it connected to. */
  readonly localPort: number
}

export interface TcpSocket {
  /** Names the socket in /proc/<pid>/fd; 0: nobody has it open any more. */
  readonly inode: number
  /** The user who made it, as this process's user namespace numbers them. */
  readonly userId: number
}

/** Whether the address is the loopback's or of one of this machine's interfaces: from both one reaches us locally. */
export function isLocalAddress(address: string): boolean {
  const own = new BlockList()
  own.addSubnet('127.0.0.0', 8, 'ipv4')
  own.addAddress('::1', 'ipv6')
  for (const each of Object.values(networkInterfaces()).flat())
    if (each !== undefined) own.addAddress(each.address, each.family === 'IPv4' ? 'ipv4' : 'ipv6')
  return contains(own, address)
}

/**
 * The peer's own sockets among all of this network namespace: one, or none when it is closed, or (hardly) more.
 * Null where /proc does not tell.
 */
export function findPeerSockets(peer: TcpPeer): readonly TcpSocket[] | null {
  // A client may use an IPv6 socket for an IPv4 address: it is listed in the other table then.
  const tables = ['tcp', 'tcp6'].map(readTable).filter((table) => table !== null)
  return tables.length === 0 ? null : tables.flatMap((table) => socketsIn(table, peer))
}

function socketsIn(table: string, peer: TcpPeer): TcpSocket[] {
  const wanted = new BlockList()
  const address = plainAddress(peer.address)
  wanted.addAddress(address, familyOf(address))
  const [localEnd, remoteEnd] = [`:${hexPort(peer.port)}`, `:${hexPort(peer.localPort)}`]
  return table.split('\n').flatMap((line) => {
    if (!line.includes(`${localEnd} `)) return [] // a table may hold many thousands
    const [, local = '', remote = '', , , , , userId, , inode] = line.trim().split(/\s+/)
    const isPeers = local.endsWith(localEnd) && remote.endsWith(remoteEnd)
    return isPeers && contains(wanted, addressOf(local))
      ? [{ inode: Number(inode), userId: Number(userId) }]
      : []
  })
}

function readTable(name: string): string | null {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'latin1')
  } catch {
    return null // not Linux, no IPv6, or not ours to read
  }
}

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')

/** IPv4 in IPv6 as IPv4, and no zone. */
const plainAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')

function contains(list: BlockList, address: string): boolean {
  const plain = plainAddress(address)
  return list.check(plain, familyOf(plain))
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4')

/** `0100007F:1F90` -> `127.0.0.1`: words of four bytes, each in the machine's own order; IPv4 in IPv6 as IPv4. */
function addressOf(hex: string): string {
  const words = /^[0-9A-F]+/.exec(hex)?.[0].match(/.{8}/g) ?? []
  const bytes = words.flatMap((word) => {
    const inOrder = word.match(/../g) ?? []
    return endianness() === 'LE' ? inOrder.reverse() : inOrder
  })
  const text = bytes.join('').toLowerCase()
  if (bytes.length === 4 || text.startsWith(MAPPED))
    return bytes
      .slice(-4)
      .map((byte) => Number.parseInt(byte, 16))
      .join('.')
  return text.replace(/.{4}(?=.)/g, '$&:')
}
