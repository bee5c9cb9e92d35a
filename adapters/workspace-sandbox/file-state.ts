/**
 * What stands at a path of a project, or of a sandbox's view of it, as git would see it: content, executable
 * bit, target of a link. Links are never followed, on the way to a path neither: what lies behind one is not
 * the project's.
 */
import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { lstat, open, readlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError, messageOf } from '../../internal/errors.ts'
import type { SandboxFile } from '../../internal/sandbox/port.ts'

export interface FileState {
  /** `folder` and `none` are the same to git. */
  readonly kind: 'none' | 'folder' | 'file' | 'link' | 'other'
  /** SHA-256 of the content or of the link's target. */
  readonly digest: string
  readonly executable: boolean
  /** No NUL byte and valid UTF-8. */
  readonly isText: boolean
  /** When content, mode or name last changed (ctime), ms since 1970. */
  readonly changedAtMs: number
}

export type States = ReadonlyMap<string, FileState>

const NONE: FileState = { kind: 'none', digest: '', executable: false, isText: true, changedAtMs: 0 }
/** For all files of one change together. An approval is leased for 300 s and reads them up to four times. */
const READ_MS = 20_000
const AT_ONCE = 8
const CHUNK_BYTES = 256 * 1024

/** @throws AppError SANDBOX_OPERATION naming the first path that cannot be read, or when it takes too long */
export async function readStates(root: string, files: readonly SandboxFile[]): Promise<States> {
  const signal = AbortSignal.timeout(READ_MS)
  const states = new Map<string, FileState>()
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = files.slice(at, at + AT_ONCE)
    await Promise.all(
      some.map(async ({ path }) => void states.set(path, await readState(root, path, signal))),
    )
  }
  return states
}

export const stateAt = (states: States, path: string): FileState => states.get(path) ?? NONE

export function sameState(a: FileState, b: FileState): boolean {
  const isNothing = (state: FileState) => state.kind === 'none' || state.kind === 'folder'
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b)
  return a.kind === b.kind && a.digest === b.digest && a.executable === b.executable
}

async function readState(root: string, path: string, signal: AbortSignal): Promise<FileState> {
  try {
    signal.throwIfAborted()
    return await stateOf(root, path, signal)
  } catch (error) {
    const detail = `${join(root, path)} cannot be read to compare the project with the sandbox: ${messageOf(error)}`
    throw new AppError('SANDBOX_OPERATION', detail, { cause: error })
  }
}

async function stateOf(root: string, path: string, signal: AbortSignal): Promise<FileState> {
  const full = join(root, path)
  const info = (await standsInFolders(root, path)) ? await lstatOrNull(full) : null
  if (info === null) return NONE
  const common = { ...NONE, changedAtMs: info.ctimeMs }
  if (info.isDirectory()) return { ...common, kind: 'folder' }
  if (info.isSymbolicLink()) {
    const target = await readlink(full, { encoding: 'buffer' })
    return { ...common, kind: 'link', digest: createHash('sha256').update(target).digest('hex') }
  }
  if (!info.isFile()) return { ...common, kind: 'other' }
  const content = await orNull(readContent(full, signal))
  // It left its place since: somebody is just replacing it.
  if (content === null) return NONE
  return { ...common, kind: 'file', executable: (info.mode & 0o100) !== 0, ...content }
}

async function readContent(full: string, signal: AbortSignal): Promise<Pick<FileState, 'digest' | 'isText'>> {
  const hash = createHash('sha256')
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let isText = true
  for await (const chunk of readChunks(full, signal)) {
    hash.update(chunk)
    isText &&= !chunk.includes(0) && decodes(() => decoder.decode(chunk, { stream: true }))
  }
  return { digest: hash.digest('hex'), isText: isText && decodes(() => decoder.decode()) }
}

/** A regular file's bytes. Each chunk is good until the next one is asked for. */
export async function* readChunks(full: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  // Not blocking: in the place of the file may stand a pipe by now.
  const file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES)
    for (;;) {
      signal.throwIfAborted()
      const { bytesRead } = await file.read(buffer)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

function decodes(decode: () => unknown): boolean {
  try {
    decode()
    return true
  } catch {
    return false // not UTF-8: that is the answer
  }
}

async function standsInFolders(root: string, path: string): Promise<boolean> {
  for (let above = dirname(path); above !== '.'; above = dirname(above)) {
    const info = await lstatOrNull(join(root, above))
    if (info === null || !info.isDirectory()) return false
  }
  return true
}

const lstatOrNull = (path: string): Promise<Stats | null> => orNull(lstat(path))

/** Null where nothing is. */
async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}
