/** What driving a run needs of the rest of the product. */
import type { Kysely } from 'kysely'
import type { ProjectRepo } from '../approval/project-port.ts'
import type { Tables } from '../db/tables.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Redactor } from '../event/redactor.ts'
import type { Launcher } from '../launcher/port.ts'
import type { Logger } from '../log.ts'
import type { Delta } from '../runner/port.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import type { SandboxService } from '../sandbox/port.ts'
import type { Environment } from './agent-environment.ts'

export interface DriverDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly redactor: Redactor
  readonly registry: RunnerRegistry
  readonly launcher: Launcher
  readonly sandbox: SandboxService
  readonly project: Pick<ProjectRepo, 'objectFolders'>
  readonly dataDir: string
  readonly replicaId: string
  readonly installationId: string
  readonly service: Environment
  readonly projectRoots: readonly string[]
  /** A turn that waits for a person gives up its place after this long, in milliseconds. */
  readonly parkAfterMs: number
  /** Whether a client watches this run just now. */
  isWatched(runId: string): boolean
  publish(events: readonly StoredEvent[]): void
  publishDelta(runId: string, turn: number, delta: Delta): void
  /** A turn ended with changes that need nobody's decision. */
  landUnreviewed(runId: string): void
  /** A turn ended: perhaps more was said meanwhile. */
  goOn(runId: string): void
}
