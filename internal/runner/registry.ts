/** The runners this replica has, each with what a look at the installed program last found. */
import { AppError } from '../errors.ts'
import type { Containment } from '../launcher/port.ts'
import type { RunnerAdapter, RunnerCapabilities, RunnerModel, RunnerProbe, RunnerType } from './port.ts'

const PROBE_FRESH_MS = 30_000

export interface RunnerView extends RunnerProbe {
  readonly type: RunnerType
  readonly containment: Containment
  readonly capabilities: RunnerCapabilities
  readonly models: readonly RunnerModel[]
}

/** A runner of the product that this build has no adapter for: listed, never available. */
export interface MissingRunner {
  readonly type: RunnerType
  readonly capabilities: RunnerCapabilities
  readonly message: string
}

export class RunnerRegistry {
  readonly #adapters: ReadonlyMap<RunnerType, RunnerAdapter>
  readonly #missing: readonly MissingRunner[]
  readonly #containment: Containment
  readonly #environment: Readonly<Record<string, string | undefined>>
  readonly #probes = new Map<RunnerType, { at: number; probe: Promise<RunnerProbe> }>()

  constructor(deps: {
    adapters: readonly RunnerAdapter[]
    missing: readonly MissingRunner[]
    containment: Containment
    environment: Readonly<Record<string, string | undefined>>
  }) {
    this.#adapters = new Map(deps.adapters.map((adapter) => [adapter.type, adapter]))
    this.#missing = deps.missing
    this.#containment = deps.containment
    this.#environment = deps.environment
  }

  has(type: RunnerType): boolean {
    return this.#adapters.has(type)
  }

  /** @throws RUNNER_UNAVAILABLE */
  adapter(type: RunnerType): RunnerAdapter {
    const adapter = this.#adapters.get(type)
    if (!adapter) throw new AppError('RUNNER_UNAVAILABLE', this.#why(type))
    return adapter
  }

  /** A look at the program, at most 30 s old. */
  probe(type: RunnerType): Promise<RunnerProbe> {
    const known = this.#probes.get(type)
    if (known && performance.now() - known.at < PROBE_FRESH_MS) return known.probe
    const probe = this.adapter(type).probe()
    this.#probes.set(type, { at: performance.now(), probe })
    return probe
  }

  /** A look at the program now; later ones begin with what it found. */
  probeNow(type: RunnerType): Promise<RunnerProbe> {
    this.#probes.delete(type)
    return this.probe(type)
  }

  /** The runners that this build has an adapter for. */
  get types(): readonly RunnerType[] {
    return [...this.#adapters.keys()]
  }

  /** Whether the service's environment holds a key or an endpoint for it. */
  hasProviderAccess(type: RunnerType): boolean {
    return this.#adapters.get(type)?.environment.some((name) => Boolean(this.#environment[name])) ?? false
  }

  async list(): Promise<RunnerView[]> {
    return Promise.all(Object.values(this.views()))
  }

  /** Each runner by its type, as soon as its own program was looked at. */
  views(): Readonly<Record<string, Promise<RunnerView>>> {
    const present = [...this.#adapters.values()].map(
      (adapter) =>
        [
          adapter.type,
          this.probe(adapter.type).then((probe) => ({
            type: adapter.type,
            containment: this.#containment,
            capabilities: adapter.capabilities,
            models: adapter.models,
            ...probe,
          })),
        ] as const,
    )
    const missing = this.#missing.map(({ type, capabilities, message }) => {
      const containment = this.#containment
      const absent = { available: false, version: null, versionSupported: false, message }
      return [type, Promise.resolve({ type, containment, capabilities, models: [], ...absent })] as const
    })
    return Object.fromEntries([...present, ...missing])
  }

  #why(type: RunnerType): string {
    const missing = this.#missing.find((runner) => runner.type === type)
    return `runner_type ${type}: ${missing?.message ?? 'this service has no adapter for it'}`
  }
}
