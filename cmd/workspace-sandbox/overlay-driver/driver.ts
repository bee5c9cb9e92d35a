/**
 * The overlay driver: the agent works on an overlay over the project itself, so making a sandbox copies nothing
 * and its changes are what lies in the upper layer.
 */
import { readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Driver, EarlyReading } from '../driver.ts'
import { badRequest, isErrno, ServiceFailure } from '../failure.ts'
import type { BaseGit } from '../git-base/base-git.ts'
import { createBaseOperations } from '../git-base/base-operations.ts'
import type { Git } from '../git-base/git.ts'
import { makePrivateGit } from '../git-base/private-git.ts'
import { readProjectGit } from '../git-base/project-git.ts'
import { restorePaths } from '../git-base/restore.ts'
import type { SandboxFolders } from '../sandbox-folders.ts'
import { scanBase } from './base-scan.ts'
import { readEarly, type StartFacts } from './early-base.ts'
import { createGiveWay } from './give-way.ts'
import { type Layout, layoutOf, makeLayers, mountWorkspace, upperOption, withFreshView } from './layers.ts'
import { findMountUsers } from './mount-users.ts'
import type { Mounts } from './mounts.ts'
import { hideKnownPointers, hidePointer } from './nested-git.ts'
import { readUpper } from './read-upper.ts'

/** In all, so that reading the base ends however often diffs are asked for meanwhile. */
const STAND_BACK_MS = 5_000
const LEAVE_MS = 3_000
const LOOK_AGAIN_MS = 100

interface OverlayDeps {
  readonly git: Git
  readonly folders: SandboxFolders
  readonly mounts: Mounts
  /** Whether owners of files can be kept. */
  readonly isRoot: boolean
}

export function createOverlayDriver(deps: OverlayDeps): Driver {
  const { git, folders, mounts, isRoot } = deps
  const layout = (id: string) => layoutOf(folders.of(id))
  const baseOf = (id: string): BaseGit => {
    return { git, dir: layout(id).baseGit, workspace: layout(id).upper }
  }
  /** Of sandboxes whose base is not read yet; one made before this process began has none. */
  const starts = new Map<string, StartFacts>()
  const giveWay = createGiveWay()
  const { reading, ...operations } = createBaseOperations({ git, baseOf, folderOf: folders.of, isRoot })
  const readTree = (id: string, baseTree: string) => readLayers(mounts, layout(id), baseOf(id), baseTree)
  return {
    ...operations,
    create: async (id, scope) => {
      const { made, facts } = await create(deps, layout(id), scope)
      starts.set(id, facts)
      return made
    },
    finishBase: (id, scope) =>
      finishBase(deps, layout(id), scope, giveWay.pauses(STAND_BACK_MS)).finally(() => starts.delete(id)),
    readEarly: async (id, show) => {
      const facts = starts.get(id)
      if (facts === undefined) return null
      return giveWay.first(async () => {
        const early = await readBeforeBase(deps, id, facts)
        return early === null ? null : show(early)
      })
    },
    start: async (id) => {
      if (!(await mounts.isOverlay(layout(id).merged))) await mountAgain(deps, layout(id))
    },
    stop: (id) => unmountKept(mounts, layout(id)),
    isMounted: (id) => mounts.isOverlay(layout(id).merged),
    read: async (id, baseTree) => reading(id, baseTree, await readTree(id, baseTree)),
    restore: (id, baseTree, paths) => {
      const workspace = { ...baseOf(id), workspace: layout(id).merged }
      return whileMounted(deps, layout(id), () => restorePaths(workspace, baseTree, paths))
    },
    retire: folders.retire,
    remove: folders.remove,
  }
}

/** Its cost does not grow with the project: reading the base is left to `finishBase`. */
async function create({ git, mounts }: OverlayDeps, layout: Layout, scope: string) {
  const mounted = makeLayers(mounts, layout, scope).then(() => mountWorkspace(mounts, layout))
  // Both are waited for, so that nothing goes on in a folder that is removed after a failure.
  const [facts, mounting] = await Promise.allSettled([readProjectGit(git, scope), mounted])
  if (facts.status === 'rejected') throw facts.reason
  if (mounting.status === 'rejected') throw mounting.reason
  const project = facts.value
  await writeFile(layout.startMark, project?.head ?? '')
  const { mtimeNs } = await stat(layout.startMark, { bigint: true })
  if (project !== null) {
    await makePrivateGit(git, project, layout.merged, project.indexFile)
    await hideKnownPointers(git, { workspace: layout.merged, scope, commonDir: project.commonDir })
  }
  const driver = { name: 'overlayfs', version: '1.0' }
  const made = { driver, mergedDir: layout.merged, baseTree: null, baseCommit: project?.head ?? null }
  return { made, facts: { project, ns: mtimeNs } }
}

async function readBeforeBase(
  { git, folders, mounts, isRoot }: OverlayDeps,
  id: string,
  facts: StartFacts,
): Promise<EarlyReading | null> {
  const layout = layoutOf(folders.of(id))
  const { upper, lower, merged, nothing, earlyGit } = layout
  if (!(await mounts.isOverlay(merged))) return null
  const early = { git, dir: earlyGit, workspace: await realpath(lower) }
  const trees = await withFreshView(mounts, layout, (fresh) =>
    readEarly({ early, layers: { upper, lower, live: merged, fresh }, facts, nothing }),
  )
  if (trees === null) return null
  const baseOf = () => ({ ...early, workspace: upper })
  const { reading, patch, binaryPaths } = createBaseOperations({ git, baseOf, folderOf: folders.of, isRoot })
  return {
    baseTree: trees.baseTree,
    reading: await reading(id, trees.baseTree, trees.tree),
    patch,
    binaryPaths,
  }
}

async function finishBase(
  { git, mounts }: OverlayDeps,
  layout: Layout,
  scope: string,
  pause: () => Promise<void>,
): Promise<string> {
  const { mtimeNs } = await stat(layout.startMark, { bigint: true })
  const commit = await readFile(layout.startMark, 'utf8')
  const base = { git, dir: layout.baseGit, workspace: scope }
  const scan = await scanBase(base, { ns: mtimeNs, commit: commit || null }, pause)
  if (await mounts.isOverlay(layout.merged)) {
    for (const path of scan.repositories) {
      await hidePointer(layout.merged, Buffer.from(path, 'latin1').toString())
    }
  }
  return scan.baseTree
}

async function readLayers(mounts: Mounts, layout: Layout, base: BaseGit, baseTree: string): Promise<string> {
  const { upper, lower } = layout
  try {
    await stat(upper)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw badRequest('the upper folder of the sandbox is gone')
    throw error
  }
  const live = (await mounts.isOverlay(layout.merged)) ? layout.merged : null
  return withFreshView(mounts, layout, (fresh) =>
    readUpper(base, { upper, lower, live, fresh }, baseTree, layout.nothing),
  )
}

/** A process that stays inside keeps the old mount alive: that is noted for the next start. */
async function unmountKept(mounts: Mounts, layout: Layout): Promise<void> {
  const { merged, detached } = layout
  if (!(await mounts.isOverlay(merged))) return
  const { dev } = await stat(merged)
  if (await mounts.unmountIfUnused(merged)) return
  await writeFile(detached, String(dev))
  await mounts.detach(merged)
}

/** Two live overlays on one upper layer damage it, so whoever was left inside the old one has to leave first. */
async function mountAgain({ mounts }: OverlayDeps, layout: Layout): Promise<void> {
  const device = await readDetached(layout)
  const mark = upperOption(layout.folder)
  const pids = await waitForUsers({ mark, point: layout.merged, device })
  if (pids.length > 0) {
    throw new ServiceFailure(409, `processes still work in the stopped workspace: ${pids.join(', ')}`, {
      hint: 'end these processes, then start the sandbox again',
      retryable: true,
    })
  }
  await rm(layout.detached, { force: true })
  await mountWorkspace(mounts, layout)
}

/** @returns who has not left after a while: a program that makes its own name space holds every mount for a moment */
async function waitForUsers(mount: Parameters<typeof findMountUsers>[0]): Promise<number[]> {
  const deadline = performance.now() + LEAVE_MS
  for (;;) {
    const pids = await findMountUsers(mount)
    if (pids.length === 0 || performance.now() >= deadline) return pids
    await sleep(LOOK_AGAIN_MS)
  }
}

async function readDetached(layout: Layout): Promise<number | null> {
  try {
    return Number(await readFile(layout.detached, 'utf8'))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

async function whileMounted(deps: OverlayDeps, layout: Layout, work: () => Promise<void>): Promise<void> {
  if (await deps.mounts.isOverlay(layout.merged)) return work()
  await mountAgain(deps, layout)
  try {
    await work()
  } finally {
    await deps.mounts.unmount(layout.merged)
  }
}
