/** What a sandbox changed: read, judged by its rules, and shown. */
import { relative } from 'node:path'
import { judge } from './acceptance.ts'
import type { Judged } from './choice.ts'
import type { Reading } from './driver.ts'
import { badRequest, driverFailure, ServiceFailure, wrongState } from './failure.ts'
import { typeOf } from './git-base/changes.ts'
import type { Row } from './row.ts'
import { type Deps, findRow } from './sandbox-service.ts'
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
    const row = findRow(deps, id)
    const baseTree = baseTreeOf(row, 'diff')
    const { reading, judged } = await readSandbox(deps, row, baseTree)
    const text = await asDriver('the changes cannot be shown', () =>
      deps.driver.patch(id, baseTree, reading.tree, prefixOf(row)),
    )
    const generated = new Date().toISOString()
    const files = judged.map((each) =>
      fileChangeJson(id, each.change, reading, { ...each.acceptance }, generated),
    )
    const sizeBytes = [...reading.sizes.values()].reduce((sum, size) => sum + size, 0)
    await deps.rows.put({ ...row, sizeBytes, fileCount: files.length })
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

export async function readSandbox(
  deps: Deps,
  row: Row,
  baseTree: string,
): Promise<{ reading: Reading; judged: Judged[] }> {
  return asDriver('the changes cannot be read', async () => {
    const reading = await deps.driver.read(row.id, baseTree)
    const rules = row.behavior.acceptance
    const binary =
      rules.ignoreBinary === true
        ? await deps.driver.binaryPaths(row.id, baseTree, reading.tree)
        : new Set<string>()
    const judged = reading.changes.map((each) => ({
      change: each,
      acceptance: judge(rules, `${prefixOf(row)}${each.path}`, binary.has(each.path)),
    }))
    return { reading, judged }
  })
}

export async function asDriver<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof ServiceFailure ? error : driverFailure(what, error)
  }
}
