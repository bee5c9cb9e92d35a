/** Where the agent of a run works: its sandbox, or the project itself for an in-place run. */
import { mkdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { Sandbox, SandboxService } from '../sandbox/port.ts'

export interface Workspace {
  readonly sandbox: Sandbox | null
  /** Real path of the project itself. */
  readonly projectRoot: string
  /** The view of the whole project root; the only place outside its own home that the agent may write. */
  readonly root: string
  /** Where the agent starts: the scope inside it. */
  readonly cwd: string
}

export async function openWorkspace(
  run: Pick<ClaimedRow, 'id' | 'mode' | 'sandbox_generation'>,
  project: { readonly projectRoot: string; readonly scope: string },
  service: SandboxService,
): Promise<Workspace> {
  if (run.mode === 'in_place') {
    const { projectRoot } = project
    return { sandbox: null, projectRoot, root: projectRoot, cwd: join(projectRoot, project.scope) }
  }
  const sandbox = await service.create({
    key: `run:${run.id}:sandbox:${run.sandbox_generation}`,
    owner: `run:${run.id}`,
    projectRoot: project.projectRoot,
  })
  const cwd = await startFolder(sandbox.mergedDir, project.scope)
  return { sandbox, projectRoot: project.projectRoot, root: sandbox.mergedDir, cwd }
}

/** The scope may not exist yet: it is made in the sandbox, never in the project, and never through a link. */
async function startFolder(mergedDir: string, scope: string): Promise<string> {
  const root = await realpath(mergedDir)
  const wanted = join(root, scope)
  await mkdir(wanted, { recursive: true })
  const cwd = await realpath(wanted)
  if (cwd !== root && !cwd.startsWith(root + sep)) {
    throw new AppError('VALIDATION_SCOPE', `scope_path ${scope} is a link that leads out of the project.`)
  }
  return cwd
}

/** To save resources only: its changes are read and decided on either way. */
export async function stopSandbox(
  deps: { readonly sandbox: Pick<SandboxService, 'stop'>; readonly log: Logger },
  { sandbox }: Workspace,
  runId: string,
): Promise<void> {
  if (sandbox === null) return
  try {
    await deps.sandbox.stop(sandbox.id)
  } catch (error) {
    deps.log.warn({ run_id: runId, error: messageOf(error) }, 'sandbox not stopped')
  }
}
