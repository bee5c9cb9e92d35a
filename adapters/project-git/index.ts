/** The project port over the git program. See README.md for what it promises and what it cannot know. */
import type { ProjectRepo } from '../../internal/approval/project-port.ts'
import type { Logger } from '../../internal/log.ts'
import { objectFolders } from './objects.ts'
import { planCommit } from './plan.ts'
import { publishCommit } from './publish.ts'
import { findRepository, requireRepository } from './repository.ts'
import { writeCommit } from './write.ts'

const DEADLINE_MS = 60_000

/** Keeps nothing between calls: every one finds the repository anew, so each can follow a crash. */
export function createProjectRepo(options: {
  /** PATH, to find git and the filters that the repository configures. */
  readonly path: string
  /** HOME of git; default: none. */
  readonly home?: string
  /** For each single git process; default 60 s. Git and its filters are ended when it passes. */
  readonly deadlineMs?: number
  /** Told when a commit stands but the project's index stayed behind. */
  readonly log?: Pick<Logger, 'warn'>
}): ProjectRepo {
  const places = {
    path: options.path,
    home: options.home ?? '/nonexistent',
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
  }
  return {
    isWorkTree: async (projectRoot) => (await findRepository(places, projectRoot)) !== null,
    objectFolders: async (projectRoot) => {
      const repository = await findRepository(places, projectRoot)
      return repository === null ? [] : await objectFolders(repository)
    },
    plan: async (request) => {
      const repository = await findRepository(places, request.projectRoot)
      if (repository !== null) return await planCommit(repository, request)
      const message = `${request.projectRoot} is not in a git work tree`
      return { ok: false, reason: 'not_git', message, paths: [] }
    },
    write: async (request, plan) => {
      const repository = await requireRepository(places, request.projectRoot)
      return await writeCommit(repository, request, plan, Math.floor(Date.now() / 1000))
    },
    publish: async ({ projectRoot }, plan, commit) => {
      const repository = await requireRepository(places, projectRoot)
      return await publishCommit(repository, plan, commit, (reason) =>
        options.log?.warn({ project_root: projectRoot, commit, reason }, 'project index left behind'),
      )
    },
  }
}
