/**
 * Without keys, being on this machine is all the authority there is, and an agent is on it too: one that could
 * answer its own permission requests, approve its own diff or start a run without a sandbox would be held by
 * nothing. So whatever may change something is refused to processes of runs. Looking is not.
 */
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import type { ApiDeps, Peer } from '../deps.ts'

/** An upgrade to a WebSocket is a GET: who watches decides nothing. */
const LOOKING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

export function addAgentCaller(app: FastifyInstance, { isAgent }: Pick<ApiDeps, 'isAgent'>): void {
  // A connection does not change hands and asking costs milliseconds, so a no holds as long as the connection. A
  // yes does not: it may only mean that nobody could tell at the moment.
  const others = new WeakSet<Socket>()
  // onRequest: before the body is read.
  app.addHook('onRequest', async ({ method, socket }) => {
    if (LOOKING.has(method)) return
    const caller = callerOf(socket)
    if (caller === 'elsewhere') return
    if (caller !== 'gone') {
      if (others.has(socket)) return
      if (!(await isAgent(caller))) {
        others.add(socket)
        return
      }
    }
    throw new AppError(
      'POLICY_AGENT_CALLER',
      'A process of a run may not decide about runs or start any: ask a person to do it.',
    )
  })
}

/**
 * Who is at the other end of a connection. `gone`: it hung up and cannot be told any more, and that must not be
 * a way past. `elsewhere`: another machine.
 */
export function callerOf(
  socket: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>,
): Peer | 'elsewhere' | 'gone' {
  const { remoteAddress: address, remotePort: port = 0, localAddress, localPort = 0 } = socket
  if (address === undefined) return 'gone'
  // A client here may bind any address of this machine, so the end that it reached counts too.
  const isHere = isLoopback(address) || isLoopback(localAddress ?? '') || address === localAddress
  return isHere ? { address, port, localPort } : 'elsewhere'
}

const isLoopback = (address: string): boolean =>
  address === '::1' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(address)
