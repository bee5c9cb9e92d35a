/** The shape of a rule of admission, and what rules look at. */
import type { Containment } from '../launcher/port.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import type { SandboxService } from '../sandbox/port.ts'
import type { RunConfig, RunMode } from './run.ts'

export interface AdmissionRequest {
  readonly config: RunConfig
  readonly mode: RunMode
  /** Real path. */
  readonly projectRoot: string
}

export interface AdmissionDeps {
  /** Absolute; where the service keeps its own. */
  readonly dataDir: string
  readonly registry: RunnerRegistry
  readonly sandbox: SandboxService
  readonly containment: Containment
  readonly allowInPlace: boolean
  /** False: the sandbox service mounts a project's git metadata as it is, so some layouts are unsafe. */
  readonly sandboxHidesGit: boolean
  /** The service's own environment: what is passed through to agents, and HOME. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface Rule {
  readonly name: string
  /** What to do where it is broken. */
  readonly fix: string
  /** Absent: always. */
  applies?(request: AdmissionRequest, deps: AdmissionDeps): boolean
  /** What was found, in a sentence. @throws AppError where it stands in the way */
  look(request: AdmissionRequest, deps: AdmissionDeps): string | Promise<string>
}
