/** What the service would stand on, looked at from here: for when it does not start. */
import { connect } from 'node:net'
import type { Config } from '../../../internal/config.ts'
import { type Finding, fail, ok } from './finding.ts'

const TIMEOUT_MS = 3000

export async function lookAtNeighbours(config: Config): Promise<Finding[]> {
  return [await database(config), await sandbox(config)]
}

async function database({ database: connection }: Config): Promise<Finding> {
  if (connection === null) return ok('database', 'embedded: the service brings it')
  const address = connection.kind === 'url' ? addressOf(connection.url) : connection
  if (address === null) return ok('database', 'named by a socket folder; the service will say')
  const { host, port } = address
  const isOpen = await opens(host, port)
  return isOpen
    ? ok('database', `${host}:${port} takes connections`)
    : fail(
        'database',
        `nobody takes connections at ${host}:${port}`,
        'Start Postgres there, mend DATABASE_URL, or unset it: then one is embedded.',
      )
}

/** Several hosts and sockets are libpq's and no web address. */
function addressOf(url: string): { host: string; port: number } | null {
  const parsed = URL.parse(url)
  return parsed?.hostname ? { host: parsed.hostname, port: Number(parsed.port || '5432') } : null
}

function opens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: TIMEOUT_MS })
    const end = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}

async function sandbox({ sandboxUrl }: Config): Promise<Finding> {
  if (sandboxUrl === null) return ok('sandbox', 'embedded: the service brings it')
  const fix =
    'Start the workspace-sandbox service there, mend WORKSPACE_SANDBOX_URL, or unset it: then one is embedded.'
  try {
    const { status } = await fetch(new URL('/health', sandboxUrl), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return status === 200
      ? ok('sandbox', `${sandboxUrl} answers`)
      : fail('sandbox', `${sandboxUrl} answers ${status}`, fix)
  } catch {
    return fail('sandbox', `nobody answers at ${sandboxUrl}`, fix)
  }
}
