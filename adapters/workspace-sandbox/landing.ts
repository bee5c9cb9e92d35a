/** One landing: what it starts from, and how its outcome is read from the project itself. */
import { isAbsolute } from 'node:path'
import { AppError } from '../../internal/errors.ts'
import type { ApplyResult, SandboxFile } from '../../internal/sandbox/port.ts'
import type { SandboxAnswer } from './answers.ts'
import type { Calls } from './calls.ts'
import { readStates, type States, sameState, stateAt } from './file-state.ts'
import { nameSome } from './project-path.ts'

export interface ApplyDeps {
  readonly calls: Calls
  readonly trusted: boolean
  /** PATH for git. */
  readonly path: string
}

export interface ApplyRequest {
  readonly actor: string
  readonly expected: readonly SandboxFile[]
  readonly projectRoot: string
}

export interface Landing {
  readonly box: SandboxAnswer
  /** The sandbox's view: an absolute path. */
  readonly mergedDir: string
  readonly actor: string
  readonly expected: readonly SandboxFile[]
  readonly projectRoot: string
  /** The sandbox's files, read before anything was asked. */
  readonly view: States
  /** The project's files at the same moment. */
  readonly before: States
}

/** The view is read before anything is asked: afterwards the service may do with it what it likes. */
export async function openLanding(box: SandboxAnswer, request: ApplyRequest): Promise<Landing> {
  const { expected, projectRoot, actor } = request
  const mergedDir = box.mergedDir ?? ''
  if (!isAbsolute(mergedDir)) {
    throw new AppError('SANDBOX_OPERATION', `workspace-sandbox does not say where sandbox ${box.id} is`)
  }
  const view = await readStates(mergedDir, expected)
  const before = await readStates(projectRoot, expected)
  return { box, mergedDir, actor, expected, projectRoot, view, before }
}

/** Whether the project holds a file already as the sandbox has it. */
export const isStanding =
  ({ view, before }: Landing) =>
  ({ path }: SandboxFile): boolean =>
    sameState(stateAt(view, path), stateAt(before, path))

/** Paths whose view is not what their kind of change says: then the view is not the one that was reviewed. */
export const contradicting = ({ expected, view }: Landing): string[] =>
  expected
    .filter(({ path, changeType }) => {
      const { kind } = stateAt(view, path)
      return changeType === 'deleted' ? !(kind === 'none' || kind === 'folder') : kind === 'none'
    })
    .map(({ path }) => path)

export interface Landed {
  /** Paths where the project does not hold what the sandbox has. */
  readonly missing: readonly string[]
  /** Paths that came to hold it since the landing began. */
  readonly arrived: readonly string[]
}

export async function whatLanded(landing: Landing): Promise<Landed> {
  const { expected, view, before } = landing
  const now = await readStates(landing.projectRoot, expected)
  const stands = (states: States, path: string) => sameState(stateAt(view, path), stateAt(states, path))
  const paths = expected.map(({ path }) => path)
  return {
    missing: paths.filter((path) => !stands(now, path)),
    arrived: paths.filter((path) => stands(now, path) && !stands(before, path)),
  }
}

export const conflict = (message: string, paths: readonly string[]): ApplyResult => ({
  ok: false,
  reason: 'conflict',
  message,
  paths,
})

export const unable = (message: string, paths: readonly string[]): ApplyResult => ({
  ok: false,
  reason: 'unable',
  message,
  paths,
})

export const mismatch = (paths: readonly string[]): AppError =>
  new AppError(
    'SANDBOX_OPERATION',
    `workspace-sandbox says that the changes landed, but the project does not hold what the sandbox has: ${nameSome(paths)}`,
    { extra: { paths } },
  )

export const partial = ({ arrived, missing }: Landed): AppError =>
  new AppError(
    'SANDBOX_OPERATION',
    `workspace-sandbox landed only part of the changes: ${nameSome(arrived)} are in the project, ${nameSome(missing)} are not`,
    { extra: { paths: missing } },
  )
