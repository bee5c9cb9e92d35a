/** A sandbox as the real service has one on an overlay, for the scripted server: a real project, a real view. */
import { cp, lstat, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { SandboxFile } from '../../internal/sandbox/port.ts'
import { answer, type Routes, type Script } from './sandbox-faulty-server.ts'
import { git, makeFolder, makeProject } from './sandbox-project.ts'

export interface FakeSandbox {
  readonly projectRoot: string
  readonly mergedDir: string
  readonly expected: readonly SandboxFile[]
  /** What a GET says; tests change it. */
  status: string
  driver: string
  mountHealth: object | undefined
  unifiedDiff: string
  /** Null: as expected. */
  diffFiles: readonly SandboxFile[] | null
  /** What the client wrote into the metadata. */
  baseCommit: string | null
  json(): object
  /** What the service's patch does: the view's version of these paths, default all, comes into the project. */
  land(paths?: readonly string[]): Promise<void>
  /** A service without faults but for `more`. */
  routes(more?: Routes): Routes
}

const CHANGES = [
  { id: 'f1', path: 'README.md', changeType: 'modified' },
  { id: 'f2', path: 'docs/new.txt', changeType: 'added' },
  { id: 'f3', path: 'src/old.txt', changeType: 'deleted' },
] as const

/** @param dress makes the view what it is to be; without it, it holds one change of each kind */
export async function makeFakeSandbox(
  expected: readonly SandboxFile[] = CHANGES,
  dress: (mergedDir: string, projectRoot: string) => Promise<void> = dressDefault,
): Promise<FakeSandbox> {
  const projectRoot = await makeProject()
  // Files as young as a tick of the kernel's clock count as changed: a person's project is older than that.
  await setTimeout(50)
  const startedAt = new Date().toISOString()
  const baseCommit = await git(projectRoot, 'rev-parse', 'HEAD')
  const mergedDir = join(await makeFolder(), 'merged')
  await cp(projectRoot, mergedDir, { recursive: true })
  await dress(mergedDir, projectRoot)
  const fake: FakeSandbox = {
    projectRoot,
    mergedDir,
    expected,
    status: 'active',
    driver: 'overlayfs',
    mountHealth: { healthy: true, verified: true },
    unifiedDiff: 'text',
    diffFiles: null,
    baseCommit,
    json: () => ({
      id: 's1',
      status: fake.status,
      mergedDir,
      projectRoot,
      driver: fake.driver,
      createdAt: startedAt,
      metadata: { requestedBy: 'run:1', startedAt, baseCommit: fake.baseCommit },
      activePids: null,
      ...(fake.status === 'active' && { mountHealth: fake.mountHealth }),
    }),
    land: async (paths = expected.map(({ path }) => path)) => {
      for (const path of paths) await landOne(mergedDir, projectRoot, path)
    },
    routes: (more = {}) => ({ ...usual(fake), ...more }),
  }
  return fake
}

async function dressDefault(mergedDir: string): Promise<void> {
  await writeFile(join(mergedDir, 'README.md'), '# changed\n')
  await writeFile(join(mergedDir, 'docs/new.txt'), 'new\n')
  await rm(join(mergedDir, 'src/old.txt'))
}

async function landOne(from: string, to: string, path: string): Promise<void> {
  await rm(join(to, path), { force: true })
  const isThere = await lstat(join(from, path)).then(
    () => true,
    () => false,
  )
  if (!isThere) return
  await mkdir(dirname(join(to, path)), { recursive: true })
  await cp(join(from, path), join(to, path), { verbatimSymlinks: true })
}

function usual(fake: FakeSandbox): Routes {
  const now: Script = (response, seen, times) => answer(200, fake.json())(response, seen, times)
  const become =
    (status: string): Script =>
    (response, seen, times) => {
      fake.status = status
      if (status === 'active') fake.mountHealth = { healthy: true, verified: true }
      now(response, seen, times)
    }
  return {
    'POST /api/v1/sandboxes': (response, seen, times) => answer(201, fake.json())(response, seen, times),
    'GET /api/v1/sandboxes/s1': now,
    'POST /api/v1/sandboxes/s1/stop': become('stopped'),
    'POST /api/v1/sandboxes/s1/start': become('active'),
    'GET /api/v1/sandboxes/s1/diff': (response, seen, times) => {
      const files = fake.diffFiles ?? fake.expected
      const listed = files.map(({ id, path, changeType }) => ({ id, filePath: path, changeType }))
      answer(200, { files: listed, unifiedDiff: fake.unifiedDiff })(response, seen, times)
    },
    'POST /api/v1/sandboxes/s1/approve': (response, seen, times) => {
      const applied = fake.expected.length
      fake.land().then(
        () => {
          fake.status = 'approved'
          answer(200, { success: true, applied, failed: 0, remaining: 0, isPartial: false })(
            response,
            seen,
            times,
          )
        },
        () => response.destroy(),
      )
    },
  }
}
