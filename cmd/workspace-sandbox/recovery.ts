/** At start: finishes or buries what a crash cut. Runs before the first request is taken. */
import { readdir } from 'node:fs/promises'
import { validate as isUuid } from 'uuid'
import { finishLanding, standsWhereItWas } from './approval.ts'
import { removeLeftovers } from './git-base/land.ts'
import type { Row } from './row.ts'
import { change, type Deps, finishBaseLater } from './sandbox-service.ts'

export async function recover(deps: Deps): Promise<void> {
  for (const name of deps.rows.unreadable)
    deps.log.error({ file: name }, 'sandbox row cannot be read, left in place')
  // Oldest first: the project of a sandbox can be the workspace of an older one.
  for (const row of deps.rows.all().toReversed()) await recoverRow(deps, row)
  await retireStrayFolders(deps)
}

async function recoverRow(deps: Deps, row: Row): Promise<void> {
  if (row.status === 'creating') {
    await change(deps, row, {
      status: 'error',
      errorMessage: 'the service stopped while the sandbox was being made',
    })
    await deps.driver.retire(row.id)
    return
  }
  if (row.status === 'deleted' || (row.status === 'error' && row.mergedDir === null)) {
    await deps.driver.retire(row.id)
    return
  }
  await healMount(deps, row)
  finishBaseLater(deps, row)
  if (row.intent !== null) await finishIntent(deps, row, row.intent)
}

/** Mounts outlive a killed service and not a reboot. What cannot be mounted shows in its `mountHealth`. */
async function healMount(deps: Deps, row: Row): Promise<void> {
  try {
    if (row.status === 'active') await deps.driver.start(row.id)
    if (row.status === 'stopped') await deps.driver.stop(row.id)
  } catch (error) {
    deps.log.error({ sandbox_id: row.id, err: error }, 'workspace could not be healed')
  }
}

/** Landing again is safe: what has landed stays, and what somebody else changed since stops it. */
async function finishIntent(deps: Deps, row: Row, intent: NonNullable<Row['intent']>): Promise<void> {
  try {
    if (!(await standsWhereItWas(row.scopePath))) {
      await markBroken(deps, row, `the project is not at ${row.scopePath} any more`)
      return
    }
    const changes = await deps.driver.changesBetween(row.id, intent.fromTree, intent.toTree)
    await removeLeftovers(row.scopePath, changes, row.id)
    const result = await deps.driver.landStep(row.id, row.scopePath, intent.fromTree, intent.toTree, true)
    if (result.ok) {
      await finishLanding(deps, row)
      deps.log.info({ sandbox_id: row.id }, 'unfinished landing was finished')
      return
    }
    if (result.reason === 'failed' && result.restored) {
      await change(deps, row, { intent: null }) // as if never begun: it can be approved again
      return
    }
    const why = result.reason === 'drift' ? `changed by others: ${result.paths.join(', ')}` : result.message
    await markBroken(deps, row, why)
  } catch (error) {
    await markBroken(deps, row, error instanceof Error ? error.message : String(error))
  }
}

async function markBroken(deps: Deps, row: Row, why: string): Promise<void> {
  deps.log.error({ sandbox_id: row.id, why }, 'unfinished landing could not be finished')
  const errorMessage = `the service stopped while applying, the project needs a look: ${why}`
  await change(deps, row, { status: 'error', errorMessage, intent: null })
}

/** Folders no row knows; only names this service gives. Removing them for good can wait until we serve. */
async function retireStrayFolders(deps: Deps): Promise<void> {
  for (const name of await readdir(deps.baseDir)) {
    const known = deps.rows.get(name) !== undefined || deps.rows.unreadable.includes(`${name}.json`)
    if (isUuid(name) && !known) await deps.driver.retire(name)
  }
}
