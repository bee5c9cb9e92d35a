/** Each sandbox goes on with the driver that made it, whatever new ones are made with. */
import type { Driver, Made } from './driver.ts'
import type { RowStore } from './row-store.ts'

interface DriversDeps {
  readonly rows: RowStore
  readonly copy: Driver
  readonly overlay: Driver
  /** Tried in this order for a new sandbox: a project can lie where the first one cannot work. */
  readonly order: readonly ('copy' | 'overlay')[]
  /** Told when a driver was not able to make a sandbox and the next one is tried. */
  readonly onFallback: (id: string, error: unknown) => void
}

export function createDrivers(deps: DriversDeps): Driver {
  const of = (id: string) => (deps.rows.get(id)?.driver === 'overlayfs' ? deps.overlay : deps.copy)
  return {
    baseOf: (id) => of(id).baseOf(id),
    create: (id, scope) => create(deps, id, scope),
    finishBase: (id, scope) => of(id).finishBase(id, scope),
    readEarly: (id, show) => of(id).readEarly(id, show),
    start: (id) => of(id).start(id),
    stop: (id) => of(id).stop(id),
    isMounted: (id) => of(id).isMounted(id),
    read: (id, baseTree) => of(id).read(id, baseTree),
    patch: (id, from, to, prefix) => of(id).patch(id, from, to, prefix),
    changesBetween: (id, from, to) => of(id).changesBetween(id, from, to),
    binaryPaths: (id, from, to) => of(id).binaryPaths(id, from, to),
    treeWith: (id, from, changes) => of(id).treeWith(id, from, changes),
    landStep: (id, scope, from, to, resumed) => of(id).landStep(id, scope, from, to, resumed),
    committedSince: deps.copy.committedSince,
    restore: (id, baseTree, paths) => of(id).restore(id, baseTree, paths),
    retire: (id) => of(id).retire(id),
    remove: (id) => of(id).remove(id),
  }
}

async function create(deps: DriversDeps, id: string, scope: string): Promise<Made> {
  const [first = 'copy', second] = deps.order
  if (second === undefined) return deps[first].create(id, scope)
  try {
    return await deps[first].create(id, scope)
  } catch (error) {
    deps.onFallback(id, error)
    await deps[first].remove(id)
    return deps[second].create(id, scope)
  }
}
