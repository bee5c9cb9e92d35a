/** The saga of an approval, cut before and after each of its outside steps, on the real sandbox service and git. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProjectRepo } from '../../adapters/project-git/index.ts'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { type EmbeddedSandbox, startEmbeddedSandbox } from '../../adapters/workspace-sandbox/embedded.ts'
import { ReviewService } from '../../internal/approval/approval-service.ts'
import { insertDiff } from '../../internal/approval/approval-store.ts'
import { summarise } from '../../internal/approval/diff-capture.ts'
import type { ProjectRepo } from '../../internal/approval/project-port.ts'
import { retireReplica } from '../../internal/engine/replica.ts'
import { readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { createLogger } from '../../internal/log.ts'
import { findRun } from '../../internal/run/run-store.ts'
import type { SandboxService } from '../../internal/sandbox/port.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { insertReplica, insertRunRow, insertTaskRow } from '../support/rows.ts'

const log = createLogger('fatal')
let base: string
let database: TestDatabase
let embedded: EmbeddedSandbox
let sandbox: SandboxService
let project: ProjectRepo

beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-saga-')))
  database = await createTestDatabase()
  embedded = await startEmbeddedSandbox({ baseDir: join(base, 'sandboxes'), log, environment: process.env })
  sandbox = createSandboxClient({
    baseUrl: () => embedded.url(),
    token: () => embedded.token(),
    owner: 'test',
  })
  project = createProjectRepo({ path: process.env['PATH'] ?? '' })
})
afterAll(async () => {
  await embedded.stop()
  await database.close()
  rmSync(base, { recursive: true, force: true })
})

/** A project, a run in review whose sandbox changed it, ready to be decided on. */
async function reviewableRun(name: string) {
  const root = join(base, name)
  mkdirSync(root)
  makeGitProject(root, GREETER)
  const made = await sandbox.create({ key: name, owner: name, projectRoot: root })
  writeFileSync(join(made.mergedDir, 'src/greet.js'), 'export const greet = () => 1\n')
  writeFileSync(join(made.mergedDir, 'new file.txt'), 'new\n')
  const diff = await sandbox.diff(made.id)
  const summary = summarise(diff)
  const id = await insertRunRow(database.db, {
    status: 'needs_review',
    task_id: await insertTaskRow(database.db, root),
    sandbox_id: made.id,
    approval_state: 'pending',
    diff_digest: summary.digest,
    diff_files: summary.files,
    diff_additions: summary.additions,
    diff_deletions: summary.deletions,
  })
  await insertDiff(database.db, {
    runId: id,
    turn: 1,
    digest: summary.digest,
    content: diff.text,
    files: diff.files,
  })
  return { id, root, mergedDir: made.mergedDir }
}

type Step = 'sandbox.diff' | 'project.plan' | 'sandbox.applyAll' | 'project.write' | 'project.publish'

const never = () => new Promise<never>(() => undefined)

/**
 * The real parts. At one call the world stops, as for a process that dies: before it happens, or after it
 * happened unseen. `died` tells when.
 */
function serviceCutAt(
  replicaId: string,
  step: Step | null,
  when: 'before' | 'after',
  died: () => void = () => undefined,
) {
  const cut =
    <A extends unknown[], R>(name: Step, call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (name === step && when === 'before') {
        died()
        return never()
      }
      const result = await call(...args)
      if (name !== step) return result
      died()
      return never()
    }
  return new ReviewService({
    db: database.db,
    log,
    redactor: createRedactor(),
    publish: () => undefined,
    wake: () => undefined,
    replicaId,
    sandbox: {
      ...sandbox,
      diff: cut('sandbox.diff', sandbox.diff),
      applyAll: cut('sandbox.applyAll', sandbox.applyAll),
    },
    project: {
      ...project,
      plan: cut('project.plan', project.plan),
      write: cut('project.write', project.write),
      publish: cut('project.publish', project.publish),
    },
  })
}

const ask = { actor: 'ada', commitMessage: 'Change it', createCommit: null, digest: null }
const commits = (root: string) => git(root, 'log', '--format=%s').trim().split('\n')

describe('an approval whose replica dies', () => {
  const cases = (
    ['sandbox.diff', 'project.plan', 'sandbox.applyAll', 'project.write', 'project.publish'] as const
  ).flatMap((step) => (['before', 'after'] as const).map((when) => ({ step, when })))
  test.each(cases)('$when $step is finished by the next one, once', async ({ step, when }) => {
    const run = await reviewableRun(`${step}-${when}`)
    const dying = await insertReplica(database.db)
    await new Promise<void>((died) => {
      void serviceCutAt(dying, step, when, died).approve(run.id, ask)
    })
    await database.db
      .updateTable('approvals')
      .set({ lease_expires_at: sql<Date>`now() - interval '1 second'` })
      .where('run_id', '=', run.id)
      .execute()

    const next = serviceCutAt(await insertReplica(database.db), null, 'before')
    await next.recover()

    expect(await findRun(database.db, run.id)).toMatchObject({
      status: 'complete',
      approvalState: 'approved',
      approvedBy: 'ada',
    })
    expect(commits(run.root)).toEqual(['Change it', 'first'])
    expect(git(run.root, 'status', '--porcelain')).toBe('')
    expect(readFileSync(join(run.root, 'new file.txt'), 'utf8')).toBe('new\n')
    const events = await readEvents(database.db, { runId: run.id, after: 0, limit: 100, types: ['status'] })
    expect(events).toHaveLength(1)
    const { result } = await next.approve(run.id, ask)
    expect(result).toMatchObject({ success: true, commitHash: git(run.root, 'rev-parse', 'HEAD').trim() })
  })
})

describe('an approval that nobody carries out any more', () => {
  const cut = async (run: { id: string }, owner: string) => {
    await new Promise<void>((died) => {
      void serviceCutAt(owner, 'project.write', 'before', died).approve(run.id, ask)
    })
  }
  const approved = { status: 'complete', approvalState: 'approved' }

  test('is taken up by its own replica, whose lease it is still', async () => {
    const run = await reviewableRun('own')
    const owner = await insertReplica(database.db)
    await cut(run, owner)

    await serviceCutAt(owner, null, 'before').recover()

    expect(await findRun(database.db, run.id)).toMatchObject(approved)
  })

  test('is taken up by others once its replica has stopped, and not before', async () => {
    const run = await reviewableRun('stopped')
    const owner = await insertReplica(database.db)
    await cut(run, owner)
    const other = serviceCutAt(await insertReplica(database.db), null, 'before')
    await other.recover()
    expect(await findRun(database.db, run.id)).toMatchObject({ status: 'needs_review' })

    await retireReplica(database.db, owner)
    await other.recover()

    expect(await findRun(database.db, run.id)).toMatchObject(approved)
  })

  test('is left to whoever carries it out here', async () => {
    const run = await reviewableRun('active')
    const owner = await insertReplica(database.db)
    const busy = await new Promise<ReviewService>((died) => {
      const service = serviceCutAt(owner, 'project.write', 'before', () => died(service))
      void service.approve(run.id, ask)
    })

    await busy.recover()

    expect(await findRun(database.db, run.id)).toMatchObject({ status: 'needs_review' })
  })
})

describe('an approval', () => {
  const plain = async () => serviceCutAt(await insertReplica(database.db), null, 'before')

  test('that cannot begin is refused for good and leaves the run open to other decisions', async () => {
    const run = await reviewableRun('gone')
    rmSync(run.root, { recursive: true })
    const service = await plain()

    await expect(service.approve(run.id, ask)).rejects.toMatchObject({ code: 'VALIDATION_PROJECT_ROOT' })
    expect(await service.reject(run.id, { actor: 'ada', reason: null })).toMatchObject({
      approvalState: 'rejected',
    })
  })

  test('of a sandbox that changed since the review is a conflict', async () => {
    const run = await reviewableRun('changed')
    writeFileSync(join(run.mergedDir, 'late.txt'), 'late\n')

    await expect((await plain()).approve(run.id, ask)).rejects.toMatchObject({ code: 'STATE_DIFF_CHANGED' })
    expect(commits(run.root)).toEqual(['first'])
  })

  test('that the sandbox service cannot land is refused by its own code, and stays open to other decisions', async () => {
    const run = await reviewableRun('unable')
    const unable = { ok: false, reason: 'unable', message: 'a binary', paths: ['new file.txt'] } as const
    const service = new ReviewService({
      db: database.db,
      log,
      redactor: createRedactor(),
      publish: () => undefined,
      wake: () => undefined,
      replicaId: await insertReplica(database.db),
      sandbox: { ...sandbox, applyAll: () => Promise.resolve(unable) },
      project,
    })

    await expect(service.approve(run.id, ask)).rejects.toMatchObject({ code: 'SANDBOX_CAPABILITY' })
    expect(await service.reject(run.id, { actor: 'ada', reason: null })).toMatchObject({
      approvalState: 'rejected',
    })
  })

  test('asked for ten times at once lands once', async () => {
    const run = await reviewableRun('raced')
    const service = await plain()

    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => service.approve(run.id, ask)))

    expect(answers.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(1)
    expect(commits(run.root)).toEqual(['Change it', 'first'])
  })

  test('and a rejection at once end in one decision', async () => {
    const run = await reviewableRun('decided twice')
    const service = await plain()

    await Promise.allSettled([
      service.approve(run.id, ask),
      service.reject(run.id, { actor: 'eve', reason: null }),
    ])

    const { approvalState } = (await findRun(database.db, run.id)) ?? {}
    expect(['approved', 'rejected']).toContain(approvalState)
    expect(commits(run.root)).toEqual(approvalState === 'approved' ? ['Change it', 'first'] : ['first'])
  })

  test('goes on top of what somebody committed meanwhile', async () => {
    const run = await reviewableRun('overtaken')
    const overtaking = {
      ...project,
      write: async (...args: Parameters<ProjectRepo['write']>) => {
        const hash = await project.write(...args)
        if (commits(run.root).length === 1) {
          git(
            run.root,
            '-c',
            'user.name=D',
            '-c',
            'user.email=d@e',
            'commit',
            '--allow-empty',
            '-qm',
            'theirs',
          )
        }
        return hash
      },
    }
    const service = new ReviewService({
      db: database.db,
      log,
      redactor: createRedactor(),
      publish: () => undefined,
      wake: () => undefined,
      replicaId: await insertReplica(database.db),
      sandbox,
      project: overtaking,
    })

    await service.approve(run.id, ask)

    expect(commits(run.root)).toEqual(['Change it', 'theirs', 'first'])
    expect(git(run.root, 'status', '--porcelain')).toBe('')
  })
})
