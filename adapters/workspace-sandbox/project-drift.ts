/**
 * Whether the project's own files changed since a sandbox was made. The real service does not look: it puts the
 * sandbox's old copy over them. It keeps no snapshot either, so the answer comes from the files themselves:
 *
 * - A file whose ctime lies before the sandbox is untouched: writing, chmod and renaming all move it, and no
 *   program can set it back.
 * - A younger file is untouched in effect when it holds what the base commit holds (switched away and back).
 * - A file that is to be added must be absent, and not one that was deleted since: the base commit tells.
 *
 * Limits: an untracked file deleted since the sandbox was made, and one that came to its place by renaming a
 * folder above it, are not seen; a clock that jumps back or a project on another machine's clock can hide a
 * change or report one that was none; contents under clean filters count as changed when they are younger.
 */
import { createHash } from 'node:crypto'
import { lstat, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { SandboxFile } from '../../internal/sandbox/port.ts'
import type { SandboxAnswer } from './answers.ts'
import { type Entry, readHead, readTree } from './base-commit.ts'
import { type FileState, readChunks, type States, stateAt } from './file-state.ts'

/** For reading all doubtful files together. */
const READ_MS = 20_000
/** The kernel stamps files with the time of its last tick. */
const TICK_MS = 20

/** Kept in the sandbox's metadata. */
export interface ProjectBase {
  /** By our own clock, before the sandbox was asked for. */
  readonly startedAt: string
  readonly baseCommit: string | null
}

/** What must be known of a project before a sandbox of it is made. A project without git has no commit. */
export async function readProjectBase(projectRoot: string, path: string): Promise<ProjectBase> {
  const startedAt = new Date().toISOString()
  return { startedAt, baseCommit: await readHead(projectRoot, path) }
}

const storedBase = z.object({
  startedAt: z.iso.datetime(),
  baseCommit: z
    .string()
    .regex(/^[0-9a-f]{40,64}$/)
    .nullable(),
})

/** @returns null for a sandbox that was not made by this client and does not say when it was made */
export function projectBaseOf(answer: SandboxAnswer): ProjectBase | null {
  const stored = storedBase.safeParse(answer.metadata)
  if (stored.success) return stored.data
  const startedAt = answer.createdAt ?? ''
  return Number.isNaN(Date.parse(startedAt)) ? null : { startedAt, baseCommit: null }
}

/** Paths among the files, sorted as given, that are not what they were when the sandbox was made. */
export async function driftedPaths(request: {
  readonly projectRoot: string
  readonly files: readonly SandboxFile[]
  readonly project: States
  readonly base: ProjectBase
  /** PATH for git. */
  readonly path: string
}): Promise<string[]> {
  const { projectRoot, project, base } = request
  const sinceMs = Date.parse(base.startedAt) - TICK_MS
  const doubtful = request.files.filter((file) => !isUntouched(file, stateAt(project, file.path), sinceMs))
  if (doubtful.length === 0) return []
  const paths = doubtful.map((file) => file.path)
  const tracked = await readTree(projectRoot, request.path, base.baseCommit, paths)
  // The base is gone (history rewritten, repository removed): what it alone could clear stays doubtful.
  if (tracked === null) return paths
  const signal = AbortSignal.timeout(READ_MS)
  const drifted: string[] = []
  for (const { path, changeType } of doubtful) {
    const state = stateAt(project, path)
    const entry = tracked.get(path)
    const holds =
      changeType === 'added'
        ? isAbsent(state) && entry === undefined
        : entry !== undefined && (await holdsEntry(join(projectRoot, path), state, entry, signal))
    if (!holds) drifted.push(path)
  }
  return drifted
}

const isAbsent = (state: FileState): boolean => state.kind === 'none' || state.kind === 'folder'

/** Whether the file alone answers. An absent one never does: it may have been deleted. */
const isUntouched = (file: SandboxFile, state: FileState, sinceMs: number): boolean =>
  file.changeType !== 'added' && !isAbsent(state) && state.changedAtMs < sinceMs

async function holdsEntry(
  full: string,
  state: FileState,
  entry: Entry,
  signal: AbortSignal,
): Promise<boolean> {
  if (state.kind === 'link') {
    return (
      entry.mode === '120000' && blobId([await readlink(full, { encoding: 'buffer' })], entry) === entry.oid
    )
  }
  if (state.kind !== 'file' || entry.mode !== (state.executable ? '100755' : '100644')) return false
  const { size } = await lstat(full)
  const hash = blobHash(size, entry)
  for await (const chunk of readChunks(full, signal)) hash.update(chunk)
  return hash.digest('hex') === entry.oid
}

function blobId(chunks: readonly Buffer[], entry: Entry): string {
  const hash = blobHash(
    chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    entry,
  )
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** Git's object id of raw bytes: no filter of the project runs for it. */
const blobHash = (size: number, entry: Entry) =>
  createHash(entry.oid.length === 64 ? 'sha256' : 'sha1').update(`blob ${size}\0`)
