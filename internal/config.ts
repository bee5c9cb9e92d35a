/**
 * The service's configuration: environment over file over default, read once, checked whole. A mistake stops
 * the start with a sentence per key; values are never repeated, they may be secrets.
 */
import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { LEVERS, type LeverName, type Levers } from './config-levers.ts'
import type { Connection } from './db/pool.ts'
import { messageOf } from './errors.ts'

export interface Config {
  readonly host: string
  readonly port: number
  /** null: the embedded Postgres. */
  readonly database: Connection | null
  /** The owner role; null: the same as `database`. */
  readonly migration: Connection | null
  /** null: the embedded workspace-sandbox. */
  readonly sandboxUrl: string | null
  readonly dataDir: string
  readonly levers: Levers
}

/** Bad configuration: exit code 64. `faults` are whole sentences. */
export class ConfigError extends Error {
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.name = 'ConfigError'
    this.faults = faults
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'AGENT_MANAGER_'
/** Variables of ours that are no levers; URL is where agentctl looks for the service. */
const OTHERS = new Set(['DATA_DIR', 'CONFIG', 'ROLES', 'AUTH', 'RUN', 'URL'])

/** @throws ConfigError naming every key that is wrong */
export function readConfig(environment: Environment): Config {
  const faults: string[] = []
  const levers = readLevers(environment, faults)
  const config = {
    host: environment['HOST'] || '127.0.0.1',
    port: readPort(environment, faults),
    database: readDatabase(environment, faults),
    migration: readUrl(environment, 'DATABASE_MIGRATION_URL', ['postgres:', 'postgresql:'], faults),
    sandboxUrl: readUrl(environment, 'WORKSPACE_SANDBOX_URL', ['http:', 'https:'], faults),
    dataDir: readDataDir(environment, faults),
  }
  if (config.migration && !config.database)
    faults.push('DATABASE_MIGRATION_URL needs DATABASE_URL beside it.')
  checkModes(environment, config.host, faults)
  if (faults.length > 0 || levers === null) throw new ConfigError(faults)
  return {
    ...config,
    migration: config.migration === null ? null : { kind: 'url', url: config.migration },
    levers,
  }
}

function readPort(environment: Environment, faults: string[]): number {
  const text = environment['PORT'] || environment['API_PORT'] || '8080'
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  faults.push('PORT: give a number from 0 (any free port) to 65535.')
  return 0
}

function readDatabase(environment: Environment, faults: string[]): Connection | null {
  const url = readUrl(environment, 'DATABASE_URL', ['postgres:', 'postgresql:'], faults)
  if (url !== null) return { kind: 'url', url }
  const host = environment['POSTGRES_HOST']
  if (!host) return null
  const port = Number(environment['POSTGRES_PORT'] || '5432')
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    faults.push('POSTGRES_PORT: give a number from 1 to 65535.')
  return {
    kind: 'parts',
    host,
    port,
    user: environment['POSTGRES_USER'] || 'postgres',
    password: environment['POSTGRES_PASSWORD'] || '',
    database: environment['POSTGRES_DB'] || 'agent_manager',
  }
}

function readUrl(
  environment: Environment,
  key: string,
  protocols: readonly string[],
  faults: string[],
): string | null {
  const text = environment[key]
  if (!text) return null
  // libpq also takes an empty host (a socket folder as parameter) and several hosts, which are no web URLs.
  const isWeb = protocols.includes('http:')
  const isKnown = protocols.some((protocol) => text.startsWith(`${protocol}//`))
  if (isKnown && (!isWeb || URL.canParse(text))) return text
  faults.push(
    `${key}: give a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}.`,
  )
  return null
}

function readDataDir(environment: Environment, faults: string[]): string {
  const given = environment['AGENT_MANAGER_DATA_DIR']
  if (given) {
    if (!isAbsolute(given)) faults.push('AGENT_MANAGER_DATA_DIR: give an absolute folder.')
    return given
  }
  const state =
    environment['XDG_STATE_HOME'] || (environment['HOME'] ? join(environment['HOME'], '.local', 'state') : '')
  if (state === '' || !isAbsolute(state))
    faults.push('HOME is not set: set AGENT_MANAGER_DATA_DIR to an absolute folder.')
  return join(state, 'agent-manager')
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

/** Keys and roles are not built yet (PRD.md): until then nothing but loopback is served. */
function checkModes(environment: Environment, host: string, faults: string[]): void {
  const auth = environment['AGENT_MANAGER_AUTH'] || (LOOPBACK.has(host) ? 'off' : 'required')
  if (auth !== 'off' && auth !== 'required') faults.push('AGENT_MANAGER_AUTH: give off or required.')
  else if (!LOOPBACK.has(host))
    faults.push('HOST: only a loopback address is served until API keys exist in this service.')
  else if (auth === 'required')
    faults.push('AGENT_MANAGER_AUTH: required is not built yet; use off, on loopback.')
  const roles = environment['AGENT_MANAGER_ROLES'] || 'api,worker'
  if (roles.split(',').sort().join() !== 'api,worker')
    faults.push('AGENT_MANAGER_ROLES: only api,worker is built yet.')
}

function readLevers(environment: Environment, faults: string[]): Levers | null {
  const given = { ...readFile(environment, faults), ...leversOf(environment) }
  for (const name of Object.keys(given)) {
    if (!isLever(name)) faults.push(`${PREFIX}${name}: there is no such setting in this version.`)
  }
  const values = leverNames.map((name) => {
    const result = LEVERS[name].schema.safeParse(given[name] ?? LEVERS[name].standard)
    if (!result.success)
      faults.push(`${PREFIX}${name}: ${result.error.issues[0]?.message ?? 'not acceptable'}.`)
    return [name, result.data] as const
  })
  const whole = LeversSchema.safeParse(Object.fromEntries(values))
  return whole.success ? whole.data : null
}

function leversOf(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([key, value]) => {
      const name = key.slice(PREFIX.length)
      return key.startsWith(PREFIX) && value !== undefined && !OTHERS.has(name) ? [[name, value]] : []
    }),
  )
}

const FileSchema = z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])))

/** `AGENT_MANAGER_CONFIG`: JSON, group -> name -> value: `{"execution": {"lease_ttl": "60s"}}`. */
function readFile(environment: Environment, faults: string[]): Record<string, string> {
  const path = environment['AGENT_MANAGER_CONFIG']
  if (!path) return {}
  try {
    const groups = FileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
    return Object.fromEntries(
      Object.entries(groups).flatMap(([group, names]) =>
        Object.entries(names).map(([name, value]) => [`${group}_${name}`.toUpperCase(), String(value)]),
      ),
    )
  } catch (error) {
    const why = error instanceof z.ZodError ? 'it is no object of groups of settings' : messageOf(error)
    faults.push(`AGENT_MANAGER_CONFIG: the file cannot be read: ${why}.`)
    return {}
  }
}

const isLever = (name: string): name is LeverName => Object.hasOwn(LEVERS, name)
const leverNames = Object.keys(LEVERS).filter(isLever)
/** The values are parsed one by one above (for their messages); this only gives them their types back. */
const LeversSchema = z.custom<Levers>((value) =>
  leverNames.every((name) => z.record(z.string(), z.unknown()).parse(value)[name] !== undefined),
)
