/** What every command works with: the client and the terminal, made when the options are known. */
import type { Command } from 'commander'
import { type Client, createClient } from '../../api/client/index.ts'
import { UsageError } from './exit.ts'
import { createTerminal, type Streams, type Terminal } from './terminal.ts'

export interface Session {
  readonly client: Client
  readonly terminal: Terminal
  readonly env: Streams['env']
  readonly url: string
  /** Who decides, where nobody says: the login of this machine. */
  readonly user: string
}

/** Opens the session of this invocation. */
export type OpenSession = () => Session

export function sessions(program: Command, streams: Streams): OpenSession {
  return () => {
    const { url, json = false, color } = program.opts<{ url: string; json?: boolean; color: boolean }>()
    const { env } = streams
    return {
      client: clientAt(url),
      terminal: createTerminal(streams, { json, color }),
      env,
      url,
      user: env['USER'] || env['LOGNAME'] || 'operator',
    }
  }
}

function clientAt(baseUrl: string): Client {
  try {
    return createClient({ baseUrl })
  } catch {
    throw new UsageError(`--url ${baseUrl} is no address: write it like http://127.0.0.1:8080.`)
  }
}
