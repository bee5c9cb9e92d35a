/**
 * Connections that stop being HTTP. One path takes them; every other request that offers an upgrade (curl does, for
 * HTTP/2) is answered as if it had not. An upgrade that is refused ends its connection: Node's server has let go of it
 * by then, so no timeout would.
 */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

const WEBSOCKET_PATH = '/api/v1/ws'

/** Node's `shouldUpgradeCallback`. */
export const mayUpgrade = ({ method, url, headers }: Pick<IncomingMessage, 'method' | 'url' | 'headers'>) =>
  method === 'GET' &&
  url?.split('?', 1)[0] === WEBSOCKET_PATH &&
  headers.upgrade?.toLowerCase() === 'websocket'

export function endRefusedUpgrades(app: FastifyInstance): void {
  // An accepted one is no response: this is called for answers of HTTP only.
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.headers.upgrade !== undefined && mayUpgrade(raw)) raw.socket.destroySoon()
  })
}
