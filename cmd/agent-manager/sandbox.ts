/** The sandbox service of this start: the operator's, or our own as a child that dies with us. */
import { join } from 'node:path'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { startEmbeddedSandbox } from '../../adapters/workspace-sandbox/embedded.ts'
import type { Config } from '../../internal/config.ts'
import { agentPath, type Environment } from '../../internal/engine/agent-environment.ts'
import { messageOf } from '../../internal/errors.ts'
import type { Logger } from '../../internal/log.ts'
import type { SandboxService } from '../../internal/sandbox/port.ts'
import { EXIT, StartError } from './exit.ts'

export interface StartedSandbox {
  readonly kind: 'embedded' | 'external'
  readonly service: SandboxService
  /** The embedded one gives every sandbox git metadata of its own; others mount the project's. */
  readonly hidesGit: boolean
  stop(): Promise<void>
}

/** An external service need not be there yet: runs wait for it in words, health tells. */
export async function startSandbox(
  config: Config,
  log: Logger,
  environment: Environment,
  /** Who we are to the sandbox service: installation and database. */
  identity: string,
): Promise<StartedSandbox> {
  const { sandboxUrl } = config
  const owner = `agent-manager:${identity}`
  if (sandboxUrl !== null) {
    const path = agentPath(environment['PATH'])
    const service = createSandboxClient({ baseUrl: () => sandboxUrl, token: () => null, owner, path })
    return { kind: 'external', service, hidesGit: false, stop: () => Promise.resolve() }
  }
  const embedded = await startEmbeddedSandbox({
    baseDir: join(config.dataDir, 'sandboxes'),
    log,
    environment,
  }).catch((error: unknown) => {
    throw new StartError(EXIT.unavailable, messageOf(error))
  })
  const service = createSandboxClient({
    baseUrl: () => embedded.url(),
    token: () => embedded.token(),
    owner,
    trusted: true,
  })
  return { kind: 'embedded', service, hidesGit: true, stop: () => embedded.stop() }
}
