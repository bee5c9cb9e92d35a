/** Builds the drivers and decides how new sandboxes are made. */
import type { Logger } from '../../internal/log.ts'
import type { Config } from './config.ts'
import { createCopyDriver } from './copy-driver/driver.ts'
import type { Driver } from './driver.ts'
import { createDrivers } from './drivers.ts'
import type { Git } from './git-base/git.ts'
import { createOverlayDriver } from './overlay-driver/driver.ts'
import type { Mounts } from './overlay-driver/mounts.ts'
import { whyNoOverlay } from './overlay-driver/probe.ts'
import type { RowStore } from './row-store.ts'
import type { SandboxFolders } from './sandbox-folders.ts'

interface ChoiceDeps {
  readonly git: Git
  readonly mounts: Mounts
  readonly folders: SandboxFolders
  readonly rows: RowStore
  readonly log: Logger
  readonly isRoot: boolean
  readonly baseDir: string
}

export type Choice =
  | { readonly ok: true; readonly driver: Driver; readonly name: 'overlay' | 'copy' }
  | { readonly ok: false; readonly message: string }

/** A driver that was asked for by name is never replaced by the other one. */
export async function chooseDriver(deps: ChoiceDeps, asked: Config['driver']): Promise<Choice> {
  const problem = asked === 'copy' ? null : await whyNoOverlay(deps.mounts, deps.baseDir)
  if (asked === 'overlay' && problem !== null)
    return { ok: false, message: `SANDBOX_DRIVER=overlay does not work here (${problem}); use copy` }
  if (problem !== null) deps.log.info({ problem }, 'overlays do not work here, projects are copied')
  const name = asked ?? (problem === null ? 'overlay' : 'copy')
  const { git, folders, mounts, isRoot } = deps
  const driver = createDrivers({
    rows: deps.rows,
    copy: createCopyDriver({ git, folders, isRoot }),
    overlay: createOverlayDriver({ git, folders, mounts, isRoot }),
    order: asked === null && name === 'overlay' ? ['overlay', 'copy'] : [name],
    onFallback: (id, error) =>
      deps.log.warn({ sandbox_id: id, err: error }, 'no overlay over this project, it is copied'),
  })
  return { ok: true, driver, name }
}
