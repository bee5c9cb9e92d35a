/** What chaos acts on, all real: Postgres, a workspace-sandbox of its own, replicas, a project, the scripted agent. */
import { copyFile, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { createLogger } from '../../internal/log.ts'
import { makeGitProject } from '../support/project.ts'
import {
  endChild,
  type Launched,
  launchSandbox,
  unmountBelow,
  whyNoOverlay,
} from '../support/sandbox-server.ts'
import { type RunningService, startService } from '../support/service.ts'

export interface Stage {
  readonly base: string
  readonly project: string
  readonly dataDir: string
  readonly replicas: readonly Replica[]
  readonly postgres: EmbeddedPostgres
  readonly sandbox: {
    readonly url: string
    readonly log: string
    kill(): Promise<void>
    start(): Promise<void>
  }
  /** Everything ends; the folders stay. */
  end(): Promise<void>
  remove(): Promise<void>
}

export async function openStage(options: { replicas: number; leaseTtl: string }): Promise<Stage> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'agent-manager-chaos-')))
  const project = join(base, 'project')
  await mkdir(project)
  makeGitProject(project, { 'README.md': '# chaos\n' })
  const agent = await installAgent(base)
  const postgres = await startEmbeddedPostgres({
    dataDir: join(base, 'database'),
    log: createLogger('fatal'),
  })
  const sandbox = await openSandbox(join(base, 'sandboxes'))
  const dataDir = join(base, 'data')
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: join(base, 'home'),
    PORT: '0',
    ...databaseEnvironment(postgres),
    WORKSPACE_SANDBOX_URL: sandbox.url,
    AGENT_MANAGER_DATA_DIR: dataDir,
    AGENT_MANAGER_EXECUTION_LEASE_TTL: options.leaseTtl,
    AGENT_MANAGER_CONCURRENCY_MAX_CONCURRENT_RUNS: '4',
    AGENT_MANAGER_RUNNERS_CLAUDE_CODE_PATH: agent,
    ANTHROPIC_API_KEY: 'no-key-needed',
  }
  const replicas = Array.from({ length: options.replicas }, (_, index) => new Replica(`r${index + 1}`, env))
  for (const replica of replicas) await replica.start()
  return {
    base,
    project,
    dataDir,
    replicas,
    postgres,
    sandbox,
    end: async () => {
      const keepLogs = () =>
        Promise.all(replicas.map(({ name, log }) => writeFile(join(base, `${name}.log`), log)))
      await keepLogs() // one that does not end has something to say
      await Promise.all(replicas.map((replica) => replica.end('SIGTERM')))
      await keepLogs()
      await sandbox.kill()
      await writeFile(join(base, 'sandbox.log'), sandbox.log)
      await unmountBelow(base)
      await postgres.stop()
    },
    remove: () => rm(base, { recursive: true, force: true }),
  }
}

/** A folder with the program and the Node that runs it: all that a container must show of it. */
async function installAgent(base: string): Promise<string> {
  const bin = join(base, 'agent', 'bin')
  await mkdir(bin, { recursive: true })
  await copyFile(process.execPath, join(bin, 'node'))
  const source = fileURLToPath(new URL('./scripted-agent.ts', import.meta.url))
  await copyFile(source, join(bin, 'agent.ts'))
  const program = join(bin, 'claude')
  await writeFile(program, `#!${join(bin, 'node')}\nimport(${JSON.stringify(join(bin, 'agent.ts'))})\n`, {
    mode: 0o755,
  })
  return program
}

function databaseEnvironment({ connection }: EmbeddedPostgres): Record<string, string> {
  return {
    POSTGRES_HOST: connection.host,
    POSTGRES_PORT: String(connection.port),
    POSTGRES_USER: connection.user,
    POSTGRES_PASSWORD: connection.password,
    POSTGRES_DB: connection.database,
  }
}

/** Always at the same address, so that a new one is found where the killed one was. */
async function openSandbox(baseDir: string) {
  const driver = (await whyNoOverlay()) === null ? 'overlay' : 'copy'
  const launch = (port: string) =>
    launchSandbox({ SANDBOX_BASE_DIR: baseDir, SANDBOX_DRIVER: driver, PORT: port, LOG_LEVEL: 'info' })
  let running: Launched | null = await launch('0')
  let log = ''
  const { url } = running
  return {
    url,
    get log() {
      return log
    },
    kill: async () => {
      if (running === null) return
      await endChild(running.child, 'SIGKILL')
      log += running.log()
      running = null
    },
    start: async () => {
      running ??= await launch(new URL(url).port)
    },
  }
}

/** @returns false where it is gone, by itself or by an earlier harm */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

/** One process of the service and what we do to it. */
export class Replica {
  readonly name: string
  readonly #env: Record<string, string>
  #service: RunningService | null = null
  #logs = ''
  /** Ends that nobody asked for. */
  readonly surprises: string[] = []
  #isAsked = false
  isPaused = false

  constructor(name: string, env: Record<string, string>) {
    this.name = name
    this.#env = env
  }

  get url(): string | null {
    return this.#service?.url ?? null
  }

  get isUp(): boolean {
    return this.#service !== null && !this.isPaused
  }

  get log(): string {
    return this.#logs + (this.#service?.log() ?? '')
  }

  /** Tries until it listens: what it stands on may be away. */
  async start(): Promise<void> {
    for (let attempt = 1; this.#service === null; attempt += 1) {
      try {
        this.#service = await startService(this.#env)
      } catch (error) {
        this.#logs += String(error)
        if (attempt === 20) throw error
      }
    }
    this.#isAsked = false
    const service = this.#service
    void service.exited.then(({ code, signal }) => {
      if (!this.#isAsked) this.surprises.push(`${this.name} ended by itself (${code ?? signal})`)
    })
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const service = this.#service
    if (service === null) return
    this.#isAsked = true
    this.resume()
    const { code } = await service.end(signal)
    if (signal === 'SIGTERM' && code !== 0) this.surprises.push(`${this.name} drained with exit code ${code}`)
    this.#logs += service.log()
    this.#service = null
  }

  /** @returns whether there was something to pause */
  pause(): boolean {
    this.isPaused = this.#service !== null && signal(this.#service.pid, 'SIGSTOP')
    return this.isPaused
  }

  resume(): void {
    if (this.#service === null || !this.isPaused) return
    this.isPaused = false
    signal(this.#service.pid, 'SIGCONT')
  }
}
