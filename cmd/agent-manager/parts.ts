/** What a started service is made of, before its own parts are wired. */
import type { Config } from '../../internal/config.ts'
import type { Environment } from '../../internal/engine/agent-environment.ts'
import type { ReplicaIdentity } from '../../internal/engine/replica.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import type { Logger } from '../../internal/log.ts'
import type { SandboxService } from '../../internal/sandbox/port.ts'
import type { StartedDatabase } from './database.ts'

export interface Parts {
  readonly config: Config
  readonly environment: Environment
  readonly log: Logger
  readonly version: string
  readonly replica: ReplicaIdentity
  readonly installationId: string
  readonly database: StartedDatabase
  readonly sandbox: { readonly service: SandboxService; readonly hidesGit: boolean }
  readonly launcher: Launcher
}
