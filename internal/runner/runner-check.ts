/**
 * A thorough look at one runner for a person: is its program there, is it one we know, does it come up in its
 * container, and has it a key or a login. No model is asked, so it costs nothing but a few seconds.
 */
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../errors.ts'
import type { Launcher } from '../launcher/port.ts'
import type { RunnerAdapter, RunnerType } from './port.ts'
import type { RunnerRegistry } from './registry.ts'

/** With the 10 s of a probe before it, an answer comes within half a minute. */
const START_TIMEOUT_MS = 15_000

export interface RunnerCheck {
  readonly ok: boolean
  /** One sentence for a person; where it is not ok, it says what to do. */
  readonly message: string
  readonly latencyMs: number
  /** Single findings by name; all of them texts, as the original's clients want them. */
  readonly details: Readonly<Record<string, string>>
}

export interface RunnerCheckDeps {
  readonly registry: RunnerRegistry
  readonly launcher: Launcher
  /** The PATH that agents get. */
  readonly path: string
  /** Absolute; where an operator's logins lie. Null: there is none. */
  readonly operatorHome: string | null
  readonly dataDir: string
}

export class RunnerChecker {
  readonly #deps: RunnerCheckDeps
  /** A start takes up to 0.8 GB: whoever asks while one is under way gets its answer. */
  readonly #running = new Map<RunnerType, Promise<RunnerCheck>>()

  constructor(deps: RunnerCheckDeps) {
    this.#deps = deps
  }

  /** Never throws; at most half a minute. */
  check(type: RunnerType): Promise<RunnerCheck> {
    const running = this.#running.get(type)
    if (running) return running
    const check = this.#measured(type).finally(() => this.#running.delete(type))
    this.#running.set(type, check)
    return check
  }

  async #measured(type: RunnerType): Promise<RunnerCheck> {
    const startedAt = performance.now()
    const found = await this.#look(type).catch((error: unknown) => ({
      ok: false,
      message: messageOf(error),
      details: {},
    }))
    return { ...found, latencyMs: Math.round(performance.now() - startedAt) }
  }

  async #look(type: RunnerType): Promise<Omit<RunnerCheck, 'latencyMs'>> {
    const { registry, launcher } = this.#deps
    const adapter = registry.adapter(type)
    const probe = await registry.probeNow(type)
    const key = await this.#access(adapter)
    const known = {
      response: probe.message,
      ...(probe.version !== null && { version: probe.version }),
      version_supported: String(probe.versionSupported),
      containment: launcher.containment,
      access: key,
    }
    const bad = (message: string, start = 'not tried') => ({
      ok: false,
      message,
      details: { ...known, start },
    })
    if (!probe.available || !probe.versionSupported) return bad(probe.message)
    const fault = await this.#tryStart(adapter)
    if (fault !== null) return bad(fault, fault)
    if (key === 'none') return bad(missingAccess(adapter), 'ok')
    return { ok: true, message: `${probe.message} is ready`, details: { ...known, start: 'ok' } }
  }

  async #access({ type, loginFiles }: RunnerAdapter): Promise<'environment' | 'login' | 'none'> {
    if (this.#deps.registry.hasProviderAccess(type)) return 'environment'
    const { operatorHome } = this.#deps
    if (operatorHome === null) return 'none'
    const found = await Promise.all(loginFiles.map((file) => exists(join(operatorHome, file))))
    return found.some(Boolean) ? 'login' : 'none'
  }

  async #tryStart(adapter: RunnerAdapter): Promise<string | null> {
    const { launcher, path, operatorHome, dataDir } = this.#deps
    const base = await mkdtemp(join(tmpdir(), 'agent-manager-check-'))
    const [home, cwd] = [join(base, 'home'), join(base, 'work')]
    try {
      await mkdir(home, { mode: 0o700 })
      await mkdir(cwd, { mode: 0o700 })
      return await adapter.tryStart({
        home,
        cwd,
        env: { PATH: path, HOME: home, TMPDIR: home, LANG: 'C.UTF-8' },
        timeoutMs: START_TIMEOUT_MS,
        launch: ({ argv, env, readable }) =>
          launcher.launch({
            argv,
            env,
            cwd,
            writable: [home, cwd],
            readable,
            hidden: [dataDir, ...(operatorHome === null || operatorHome === '/' ? [] : [operatorHome])],
            network: 'allow',
          }),
      })
    } finally {
      await rm(base, { recursive: true, force: true })
    }
  }
}

const missingAccess = ({ type, environment }: RunnerAdapter): string =>
  `${type} has no key and no login: set ${environment[0] ?? 'its key'} in the service's environment or log in as the service's user`

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )
