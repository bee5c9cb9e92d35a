/** Which runs a watcher of many runs wants. Task and tag of a run never change. */
export type RunSelection =
  | { readonly kind: 'all' }
  | { readonly kind: 'task'; readonly taskId: string }
  | { readonly kind: 'tag'; readonly prefix: string }

/** What never changes about a run. */
export interface RunFacts {
  readonly taskId: string
  readonly tag: string
  readonly createdAt: Date
}

export function selects(selection: RunSelection, run: Pick<RunFacts, 'taskId' | 'tag'>): boolean {
  switch (selection.kind) {
    case 'all':
      return true
    case 'task':
      return run.taskId === selection.taskId
    case 'tag':
      return run.tag.startsWith(selection.prefix)
  }
}
