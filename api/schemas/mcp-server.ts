/** MCP servers on the wire: a program to start, or an address to call. */
import { z } from 'zod'
import type { McpServer } from '../../internal/runner/port.ts'
import { textIn } from '../dialect/fields.ts'
import { MAX_ENV_NAMES, MAX_MCP_ARGS, MAX_MCP_SERVERS } from '../limits.ts'
import { envNameIn, envNamesIn } from './env-names.ts'
import { SETTINGS_TEXT } from './settings-text.ts'

const TEXT = {
  name: 'Letters, digits, _ and -; unique in the list. Its tools are mcp:<name>:<tool>.',
  command: 'The program to start.',
  args: 'Its arguments; they are shown to everybody, so no secret belongs there.',
  env: 'Names of environment variables of the service that it gets.',
  url: 'Where it listens: http or https, without a login in it.',
  headers_env: 'Header name -> name of the environment variable of the service that holds its value.',
} as const

/** RFC 9110, section 5.1: a field name is a token. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}$/

const headersIn = z
  .record(z.string().regex(HEADER_NAME, 'must be the name of a header'), envNameIn)
  .refine((headers) => Object.keys(headers).length <= MAX_ENV_NAMES, {
    params: { rule: 'max' },
    error: `must have at most ${MAX_ENV_NAMES} headers; send fewer`,
  })
  .nullish()
  .meta({ description: TEXT.headers_env })

const urlIn = textIn(2048, TEXT.url).refine((url) => url === null || isPlainHttp(url), {
  params: { rule: 'url' },
  error: 'must be an http or https URL without user and password; secrets go by headers_env',
})

function isPlainHttp(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

const members = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -')
    .meta({ description: TEXT.name }),
  command: textIn(4096, TEXT.command),
  args: z
    .array(z.string().max(4096))
    .max(MAX_MCP_ARGS, `must have at most ${MAX_MCP_ARGS} entries; send fewer`)
    .nullish()
    .meta({ description: TEXT.args }),
  env: envNamesIn.meta({ description: TEXT.env }),
  url: urlIn,
  headers_env: headersIn,
})

const mcpServerIn = members
  .check(({ value, issues }) => {
    const fault = misfit(value)
    if (fault === null) return
    const [member, error] = fault
    issues.push({
      code: 'custom',
      path: [member],
      input: value,
      message: error,
      params: { rule: 'conflict' },
    })
  })
  .meta({
    id: 'NewMcpServer',
    description: 'A program (command, args, env) or an address (url, headers_env).',
  })

const isEmpty = (value: object | null | undefined): boolean => !value || Object.keys(value).length === 0

/** A member that does not go with the others, and why; null: all go together. */
function misfit(server: z.output<typeof members>): [member: string, message: string] | null {
  if (server.command === null && server.url === null) return ['command', 'is required; give command or url']
  if (server.command !== null && server.url !== null) return ['url', 'excludes command; send one of the two']
  if (server.url === null) {
    return isEmpty(server.headers_env) ? null : ['headers_env', 'goes with url only; remove it']
  }
  if (!isEmpty(server.args)) return ['args', 'goes with command only; remove it']
  return isEmpty(server.env) ? null : ['env', 'goes with command only; remove it']
}

/** An empty list says nothing, as everywhere. */
export const mcpServersIn = z
  .array(mcpServerIn)
  .max(MAX_MCP_SERVERS, `must have at most ${MAX_MCP_SERVERS} servers; send fewer`)
  .check(({ value, issues }) => {
    for (const [index, { name }] of value.entries()) {
      if (value.findIndex((server) => server.name === name) === index) continue
      const message = 'is the name of an earlier server too; give each its own'
      issues.push({ code: 'custom', path: [index, 'name'], input: name, message, params: { rule: 'unique' } })
    }
  })
  .nullish()
  .transform((servers) => (servers && servers.length > 0 ? servers.map(mcpServerFrom) : null))
  .meta({ description: SETTINGS_TEXT.mcp_servers })

function mcpServerFrom({ name, command, url, ...server }: z.output<typeof members>): McpServer {
  if (url !== null) return { name, url, headersEnv: server.headers_env ?? {} }
  return { name, command: command ?? '', args: server.args ?? [], env: server.env ?? [] }
}

const mcpServerOut = z
  .union([
    z.strictObject({
      name: z.string(),
      command: z.string().meta({ description: TEXT.command }),
      args: z.array(z.string()).meta({ description: TEXT.args }),
      env: z.array(z.string()).meta({ description: TEXT.env }),
    }),
    z.strictObject({
      name: z.string(),
      url: z.string().meta({ description: TEXT.url }),
      headers_env: z.record(z.string(), z.string()).meta({ description: TEXT.headers_env }),
    }),
  ])
  .meta({ id: 'McpServer', description: 'A server of tools; secrets by name of a variable only.' })

export const mcpServersOut = z.array(mcpServerOut).meta({ description: SETTINGS_TEXT.mcp_servers })

export const mcpServerView = (server: McpServer): z.output<typeof mcpServerOut> =>
  'url' in server
    ? { name: server.name, url: server.url, headers_env: { ...server.headersEnv } }
    : { name: server.name, command: server.command, args: [...server.args], env: [...server.env] }
