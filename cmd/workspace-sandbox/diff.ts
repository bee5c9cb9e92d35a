/** What a sandbox changed: read, judged by its rules, and shown. */
import { relative } from 'node:path'
import { judge } from './acceptance.ts'
import type { Judged } from './choice.ts'
import type { Driver, Reading } from './driver.ts'
import { badRequest, driverFailure, ServiceFailure, wrongState } from './failure.ts'
import { typeOf } from './git-base/changes.ts'
import type { Row } from './row.ts'
import { type Deps, findRow, needsBase, whenBaseIsRead } from './sandbox-service.ts'
import { fileChangeJson, type Json } from './wire.ts'

/** Where the scope lies in the project, as a prefix of paths: `''` or `src/`. */
export const prefixOf = (row: Row): string => {
  const way = relative(row.realRoot, row.scopePath)
  return way === '' ? '' : `${way}/`
}

export function baseTreeOf(row: Row, operation: string): string {
  if (row.status === 'creating' || row.status === 'deleted') throw wrongState(operation, row.status)
  if (row.baseTree === null) throw badRequest('the sandbox was never made, so it has no changes')
  return row.baseTree
}

/** DiffResult of the contract. */
export function diffSandbox(deps: Deps, id: string): Promise<Json> {
  return deps.serial.run(id, async () => {
    const { judged, reading, text } = (await readEarly(deps, id)) ?? (await readWhole(deps, id))
    const generated = new Date().toISOString()
    const files = judged.map((each) =>
      fileChangeJson(id, each.change, reading, { ...each.acceptance }, generated),
    )
    const sizeBytes = [...reading.sizes.values()].reduce((sum, size) => sum + size, 0)
    await deps.rows.put({ ...findRow(deps, id), sizeBytes, fileCount: files.length })
    const count = (type: string) => judged.filter((each) => typeOf(each.change) === type).length
    return {
      sandboxId: id,
      files,
      unifiedDiff: text,
      generated,
      totalAdded: count('added'),
      totalDeleted: count('deleted'),
      totalModified: count('modified'),
    }
  })
}

interface Shown {
  readonly judged: readonly Judged[]
  readonly reading: Reading
  readonly text: string
}

async function readWhole(deps: Deps, id: string): Promise<Shown> {
  await whenBaseIsRead(deps, id)
  const row = findRow(deps, id)
  const baseTree = baseTreeOf(row, 'diff')
  const { reading, judged } = await readSandbox(deps, row, baseTree)
  const text = await asDriver('the changes cannot be shown', () =>
    deps.driver.patch(id, baseTree, reading.tree, prefixOf(row)),
  )
  return { judged, reading, text }
}

/** Without waiting for the base, where that gives the same. */
async function readEarly(deps: Deps, id: string): Promise<Shown | null> {
  const row = findRow(deps, id)
  if (!needsBase(row)) return null
  return asDriver('the changes cannot be read', () =>
    deps.driver.readEarly(id, async (early) => ({
      judged: await judgeChanges(early, row, early.baseTree, early.reading),
      reading: early.reading,
      text: await early.patch(id, early.baseTree, early.reading.tree, prefixOf(row)),
    })),
  )
}

export async function readSandbox(
  deps: Deps,
  row: Row,
  baseTree: string,
): Promise<{ reading: Reading; judged: Judged[] }> {
  return asDriver('the changes cannot be read', async () => {
    const reading = await deps.driver.read(row.id, baseTree)
    return { reading, judged: await judgeChanges(deps.driver, row, baseTree, reading) }
  })
}

async function judgeChanges(
  driver: Pick<Driver, 'binaryPaths'>,
  row: Row,
  baseTree: string,
  reading: Reading,
): Promise<Judged[]> {
  const rules = row.behavior.acceptance
  const binary =
    rules.ignoreBinary === true ? await driver.binaryPaths(row.id, baseTree, reading.tree) : new Set<string>()
  return reading.changes.map((each) => ({
    change: each,
    acceptance: judge(rules, `${prefixOf(row)}${each.path}`, binary.has(each.path)),
  }))
}

export async function asDriver<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof ServiceFailure ? error : driverFailure(what, error)
  }
}
