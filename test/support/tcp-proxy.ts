/** A TCP proxy that can fall silent: connections stay up and nothing comes through, as when a cable is pulled. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** Silent: bytes are taken and dropped, in both directions, also on connections made from now on. */
  setSilent(silent: boolean): void
  /** Connections made to it so far. */
  accepted(): number
  stop(): Promise<void>
}

/** @param target a host and port, or the folder of a Postgres socket as host */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  let silent = false
  let accepted = 0
  const sockets = new Set<Socket>()
  /** Their other half hung up while nothing came through: they learn of it when something does. */
  const orphans = new Set<Socket>()
  const server = createServer((near) => {
    accepted += 1
    const { host, port } = target
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        if (!silent) to.write(bytes)
      })
      from.on('close', () => {
        sockets.delete(from)
        if (silent) orphans.add(to)
        else to.destroy()
      })
      from.on('error', () => undefined) // 'close' follows
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    setSilent: (to) => {
      silent = to
      for (const orphan of orphans) orphan.destroy()
      orphans.clear()
    },
    accepted: () => accepted,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
