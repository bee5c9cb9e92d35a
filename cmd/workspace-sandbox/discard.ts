/** Throws away some of a sandbox's changes: the files are as in the base again. */
import { asDriver, baseTreeOf, readSandbox } from './diff.ts'
import { wrongState } from './failure.ts'
import type { DiscardBody } from './request-body.ts'
import { type Deps, findRow, inTurn } from './sandbox-service.ts'
import { fileIdOf, type Json } from './wire.ts'

/** DiscardResult of the contract. Unknown ids and paths are skipped. */
export function discardChanges(deps: Deps, id: string, body: DiscardBody): Promise<Json> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    if (row.status !== 'active' && row.status !== 'stopped')
      throw wrongState('discard changes of', row.status)
    const baseTree = baseTreeOf(row, 'discard changes of')
    const { reading } = await readSandbox(deps, row, baseTree)
    const [paths, ids] = [new Set(body.filePaths), new Set(body.fileIds)]
    const chosen = reading.changes
      .map((each) => each.path)
      .filter((path) => paths.has(path) || ids.has(fileIdOf(id, path)))
    if (chosen.length === 0)
      return { success: true, discarded: 0, remaining: reading.changes.length, files: [] }
    await asDriver('the files could not be put back', () => deps.driver.restore(id, baseTree, chosen))
    // Read again: what is really gone counts, also while the agent goes on writing.
    const after = await readSandbox(deps, row, baseTree)
    const left = new Set(after.reading.changes.map((each) => each.path))
    const files = chosen.filter((path) => !left.has(path))
    deps.log.info({ sandbox_id: id, actor: body.actor, files: files.length }, 'changes discarded')
    return {
      success: true,
      discarded: files.length,
      remaining: left.size,
      files,
      ...(files.length < chosen.length ? { error: 'some files stand in the way of others, see files' } : {}),
    }
  })
}
