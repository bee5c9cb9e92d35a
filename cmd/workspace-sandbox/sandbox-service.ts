/** Use cases around one sandbox's life. Operations on one sandbox run one after the other. */
import { randomUUID } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import type { Logger } from '../../internal/log.ts'
import type { Driver } from './driver.ts'
import { badRequest, driverFailure, isErrno, ServiceFailure, sandboxNotFound, wrongState } from './failure.ts'
import { killInside } from './processes.ts'
import type { CreateBody } from './request-body.ts'
import { type Clash, contains, findClashes, outermost, resolveInProject } from './reservation.ts'
import { isDead, type Row } from './row.ts'
import type { RowStore } from './row-store.ts'
import type { Serial } from './serial.ts'

export interface Deps {
  readonly rows: RowStore
  readonly driver: Driver
  readonly serial: Serial
  readonly log: Logger
  readonly baseDir: string
}

interface Place {
  readonly realRoot: string
  readonly scopePath: string
  readonly reservedPaths: readonly string[]
}

/** @throws ServiceFailure 404 */
export function findRow(deps: Deps, id: string): Row {
  const row = deps.rows.get(id)
  if (row === undefined) throw sandboxNotFound(id)
  return row
}

/** Stores a new version of a row. */
export async function change(deps: Deps, row: Row, fields: Partial<Row>): Promise<Row> {
  const now = new Date().toISOString()
  const statusMoved = fields.status !== undefined && fields.status !== row.status
  const next: Row = {
    ...row,
    ...fields,
    updatedAt: now,
    lastUsedAt: statusMoved ? now : row.lastUsedAt,
    version: row.version + 1,
  }
  await deps.rows.put(next)
  if (statusMoved) deps.log.info({ sandbox_id: row.id, status: next.status }, 'sandbox status changed')
  return next
}

/** A living sandbox with the same key is returned whatever the other fields say. */
export function createSandbox(deps: Deps, body: CreateBody): Promise<Row> {
  if (body.idempotencyKey === '') return makeSandbox(deps, body)
  return deps.serial.run(`key ${body.idempotencyKey}`, async () => {
    const known = deps.rows.byKey(body.idempotencyKey)
    return known !== undefined && !isDead(known) ? known : makeSandbox(deps, body)
  })
}

async function makeSandbox(deps: Deps, body: CreateBody): Promise<Row> {
  const place = await readPlace(deps, body)
  refuseClashes(findClashes(deps.rows.all(), place.reservedPaths, ''))
  const row = newRow(body, place)
  // No await between the check and these lines: `put` shows the row to the next create at once, and whoever
  // finds it there waits behind us.
  const stored = deps.rows.put(row)
  return deps.serial.run(row.id, async () => {
    try {
      await stored
      const made = await deps.driver.create(row.id, place.scopePath)
      const active = await change(deps, row, {
        status: 'active',
        driver: made.driver.name,
        driverVersion: made.driver.version,
        mergedDir: made.mergedDir,
        baseTree: made.baseTree,
        baseCommitHash: made.baseCommit,
      })
      finishBaseLater(deps, active)
      return active
    } catch (error) {
      const failure = driverFailure('the sandbox could not be made', error)
      await change(deps, row, { status: 'error', errorMessage: failure.message })
      await deps.driver.remove(row.id)
      throw failure
    }
  })
}

const baseLine = (id: string): string => `base of ${id}`

/**
 * Work in the sandbox's turn, after its base has been read. What can do without the base only takes the turn, and then
 * must not store a row it looked at before it waited for something.
 */
export function inTurn<T>(deps: Deps, id: string, work: () => Promise<T>): Promise<T> {
  return deps.serial.run(id, async () => {
    await whenBaseIsRead(deps, id)
    return work()
  })
}

/** For callers that hold the sandbox's turn. */
export const whenBaseIsRead = (deps: Deps, id: string): Promise<void> =>
  deps.serial.run(baseLine(id), async () => {})

/**
 * Reads the base that making the sandbox left open, beside the sandbox's turns. One that cannot be read makes the
 * sandbox an error.
 */
export function finishBaseLater(deps: Deps, row: Row): void {
  const { id } = row
  if (!needsBase(row)) return
  const done = deps.serial.run(baseLine(id), async () => {
    const before = deps.rows.get(id)
    if (before === undefined || !needsBase(before)) return
    try {
      const baseTree = await deps.driver.finishBase(id, before.scopePath)
      await deps.rows.put({ ...findRow(deps, id), baseTree })
    } catch (error) {
      const errorMessage = `the project could not be read: ${error instanceof Error ? error.message : String(error)}`
      await change(deps, findRow(deps, id), { status: 'error', errorMessage })
    }
  })
  done.catch((error: unknown) =>
    deps.log.error({ sandbox_id: id, err: error }, 'sandbox row cannot be stored'),
  )
}

export const needsBase = (row: Row): boolean =>
  row.baseTree === null && (row.status === 'active' || row.status === 'stopped')

function newRow(body: CreateBody, place: Place): Row {
  const now = new Date().toISOString()
  return {
    format: 1,
    id: randomUUID(),
    status: 'creating',
    projectRoot: body.projectRoot,
    realRoot: place.realRoot,
    scopePath: place.scopePath,
    reservedPaths: [...place.reservedPaths],
    noLock: body.noLock,
    owner: body.owner,
    ownerType: body.ownerType,
    tags: body.tags,
    metadata: body.metadata,
    behavior: body.behavior,
    idempotencyKey: body.idempotencyKey || null,
    errorMessage: null,
    createdAt: now,
    updatedAt: now,
    lastUsedAt: now,
    stoppedAt: null,
    approvedAt: null,
    deletedAt: null,
    driver: 'undecided',
    driverVersion: '',
    mergedDir: null,
    baseCommitHash: null,
    sizeBytes: 0,
    fileCount: 0,
    version: 1,
    baseTree: null,
    intent: null,
  }
}

async function readPlace(deps: Deps, body: CreateBody): Promise<Place> {
  if (body.projectRoot === '') throw badRequest('projectRoot is required')
  if (!isAbsolute(body.projectRoot)) throw badRequest('projectRoot must be an absolute path')
  const realRoot = await realFolder(body.projectRoot, 'projectRoot')
  const scope = resolveInProject(realRoot, body.projectRoot, body.scopePath)
  if (!contains(realRoot, scope)) throw badRequest(`scopePath lies outside the project: ${body.scopePath}`)
  const scopePath = await realFolder(scope, 'scopePath')
  if (!contains(realRoot, scopePath))
    throw badRequest(`scopePath lies outside the project: ${body.scopePath}`)
  if (contains(scopePath, deps.baseDir)) {
    throw badRequest(
      'the project holds the folder where sandboxes are kept; set SANDBOX_BASE_DIR outside of it',
    )
  }
  return { realRoot, scopePath, reservedPaths: body.noLock ? [] : readReserved(body, realRoot, scopePath) }
}

function readReserved(body: CreateBody, realRoot: string, scopePath: string): string[] {
  const asked =
    body.reservedPaths.length > 0 ? body.reservedPaths : [body.reservedPath].filter((path) => path !== '')
  if (asked.length === 0) return [scopePath]
  const reserved = asked.map((path) => resolveInProject(realRoot, body.projectRoot, path))
  const outside = reserved.find((path) => !contains(scopePath, path))
  if (outside !== undefined) throw badRequest(`reserved path lies outside the scope: ${outside}`)
  return outermost(reserved)
}

async function realFolder(path: string, field: string): Promise<string> {
  try {
    const real = await realpath(path)
    if ((await stat(real)).isDirectory()) return real
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ERR_INVALID_ARG_VALUE')) throw error
  }
  throw badRequest(`${field} is not a folder this service can read: ${path}`)
}

function refuseClashes(clashes: readonly Clash[]): void {
  if (clashes.length === 0) return
  throw new ServiceFailure(409, `scope overlaps with ${clashes.length} existing reservation(s)`, {
    hint: 'wait for the other sandbox to end, reserve other paths, or set noLock',
    details: { conflicts: clashes },
  })
}

export function stopSandbox(deps: Deps, id: string): Promise<Row> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    if (row.status === 'stopped') return row
    if (row.status !== 'active') throw wrongState('stop', row.status)
    await tryDriver('the workspace could not be taken away', () => deps.driver.stop(id))
    return change(deps, row, { status: 'stopped', stoppedAt: new Date().toISOString() })
  })
}

async function tryDriver(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw error instanceof ServiceFailure ? error : driverFailure(what, error)
  }
}

/** Also heals an active sandbox whose mount was lost. */
export function startSandbox(deps: Deps, id: string): Promise<Row> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    if (row.status !== 'active' && row.status !== 'stopped') throw wrongState('start', row.status)
    if (row.status === 'stopped') refuseClashes(findClashes(deps.rows.all(), row.reservedPaths, id))
    await tryDriver('the workspace could not be mounted', () => deps.driver.start(id))
    if (row.status === 'active') return row
    return change(deps, row, { status: 'active', stoppedAt: null })
  })
}

/** An unknown id is fine. The row is marked first, so that a crash leaves only a folder to remove. */
export function deleteSandbox(deps: Deps, id: string): Promise<void> {
  return inTurn(deps, id, async () => {
    const row = deps.rows.get(id)
    if (row !== undefined) await markDeleted(deps, row)
  })
}

/** For callers that hold the sandbox's turn. */
export async function markDeleted(deps: Deps, row: Row): Promise<void> {
  if (row.status !== 'deleted') {
    const fields = { status: 'deleted', deletedAt: new Date().toISOString(), intent: null } as const
    await change(deps, row, fields)
  }
  if (row.mergedDir !== null) await killInside(row.mergedDir)
  await deps.driver.remove(row.id)
}
