/** What an agent process gets: an environment built from nothing, and folders of its own. */
import { access, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Redactor } from '../event/redactor.ts'
import type { RunConfig } from '../run/run.ts'
import { isWithheld } from '../run/withheld-env.ts'
import type { McpServer } from '../runner/port.ts'

export interface RunFolders {
  /** Holds home and tmp; removed with the run's sandbox. */
  readonly base: string
  readonly home: string
  readonly tmp: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** `<data>/runs/<id>/{home,tmp}`; the home tells git who commits and gives it no credentials. */
export async function makeRunFolders(dataDir: string, runId: string): Promise<RunFolders> {
  const base = join(dataDir, 'runs', runId)
  const folders = { base, home: join(base, 'home'), tmp: join(base, 'tmp') }
  await mkdir(folders.home, { recursive: true, mode: 0o700 })
  await mkdir(folders.tmp, { recursive: true, mode: 0o700 })
  const gitconfig = join(folders.home, '.gitconfig')
  const exists = await access(gitconfig).then(
    () => true,
    () => false,
  )
  if (!exists) {
    await writeFile(
      gitconfig,
      '[user]\n\tname = agent\n\temail = agent@agent-manager.local\n[credential]\n\thelper =\n',
    )
  }
  return folders
}

/** PATH without what npm put in front for its scripts. */
export function agentPath(servicePath: string | undefined): string {
  const parts = (servicePath ?? '')
    .split(delimiter)
    .filter((part) => !/node_modules|node-gyp-bin/.test(part) && part !== '')
  return parts.length > 0 ? parts.join(delimiter) : '/usr/local/bin:/usr/bin:/bin'
}

/** The values that MCP servers of a profile ask for by name; each is masked in everything that is stored. */
export function mcpEnvironment(
  servers: readonly McpServer[],
  service: Environment,
  redactor: Redactor,
): Record<string, string> {
  const names = servers.flatMap((server) => ('url' in server ? Object.values(server.headersEnv) : server.env))
  const values = names.flatMap((name) => {
    const value = service[name]
    if (value === undefined || isWithheld(name)) return []
    if (SECRET_NAME.test(name)) redactor.add(value)
    return [[name, value] as const]
  })
  return Object.fromEntries(values)
}

/** Names that hold secrets by their look; their values are masked in everything that is stored. */
const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i

export function agentEnvironment(request: {
  readonly config: RunConfig
  readonly home: string
  readonly tmp: string
  readonly marker: string
  readonly service: Environment
  readonly redactor: Redactor
}): Record<string, string> {
  const { config, service } = request
  const passed = config.env.flatMap((name) => {
    const value = service[name]
    if (value === undefined || isWithheld(name)) return []
    if (SECRET_NAME.test(name)) request.redactor.add(value)
    return [[name, value] as const]
  })
  return {
    ...Object.fromEntries(passed),
    PATH: agentPath(service['PATH']),
    HOME: request.home,
    TMPDIR: request.tmp,
    LANG: service['LANG'] ?? 'C.UTF-8',
    AGENT_MANAGER_RUN: request.marker,
  }
}
