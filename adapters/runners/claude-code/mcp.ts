/** MCP servers of a turn: a file the CLI reads, and the wait until each of them answers. */
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { failureOf } from '../../../internal/runner/failure.ts'
import type { Failure, McpServer } from '../../../internal/runner/port.ts'
import type { Channel } from './channel.ts'
import { mcpStatusSchema } from './wire.ts'

const POLL_MS = 100

export interface McpFile {
  readonly path: string
  remove(): Promise<void>
}

/** Writes what `--mcp-config` wants. Secrets are in it by name only: the CLI puts the values in. */
export async function writeMcpFile(folder: string, servers: readonly McpServer[]): Promise<McpFile> {
  const path = join(folder, `agent-manager-mcp-${randomUUID()}.json`)
  await writeFile(path, JSON.stringify(mcpConfig(servers)), { mode: 0o600, flag: 'wx' })
  return { path, remove: () => rm(path, { force: true }) }
}

export function mcpConfig(servers: readonly McpServer[]): object {
  const byName = servers.map((server) => [
    server.name,
    'command' in server
      ? { type: 'stdio', command: server.command, args: server.args, env: byReference(server.env) }
      : {
          type: 'http',
          url: server.url,
          headers: Object.fromEntries(
            Object.entries(server.headersEnv).map(([header, name]) => [header, reference(name)]),
          ),
        },
  ])
  return { mcpServers: Object.fromEntries(byName) }
}

/**
 * Files that the commands of MCP servers name by absolute path: the profile wants them run, so the container shows
 * them although a hidden folder may hold them. Those of the workspace are the agent's own.
 */
export function mcpPrograms(servers: readonly McpServer[], root: string): string[] {
  const named = servers.flatMap((server) => ('command' in server ? [server.command, ...server.args] : []))
  return named.filter((path) => isAbsolute(path) && isFile(path) && relative(root, path).startsWith('..'))
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

const reference = (name: string): string => `\${${name}}`
const byReference = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, reference(name)]))

/**
 * Waits until the CLI is connected to every server. An agent without its tools would do something else than was
 * asked for, so one that is missing ends the turn.
 * @param end `performance.now()` at which the wait is over
 * @returns why the turn cannot go on; null: all are there
 */
export async function awaitMcpServers(
  channel: Pick<Channel, 'ask'>,
  servers: readonly McpServer[],
  end: number,
): Promise<Failure | null> {
  for (;;) {
    const { mcpServers } = mcpStatusSchema.parse(await channel.ask({ subtype: 'mcp_status' }))
    const states = servers.map(({ name }) => ({
      name,
      ...mcpServers.find((one) => one.name === name),
    }))
    const failed = states.find(({ status }) => status !== 'pending' && status !== 'connected')
    if (failed !== undefined) return missing(failed.name, failed.error ?? failed.status ?? 'it is not known')
    const pending = states.find(({ status }) => status === 'pending')
    if (pending === undefined) return null
    if (performance.now() >= end) return missing(pending.name, 'it did not answer in time')
    await delay(POLL_MS)
  }
}

const missing = (name: string, why: string): Failure =>
  failureOf('agent_error', `the MCP server ${name} is not connected: ${why}`, { recovery: 'fix_input' })
