/** What of the machine an agent's container shows, lets it write, and hides. Absolute paths. */
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import type { RunnerAdapter } from '../runner/port.ts'
import type { Workspace } from './workspace.ts'

export interface AgentMounts {
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  readonly hidden: readonly string[]
}

export async function agentMounts(facts: {
  readonly workspace: Workspace
  readonly adapter: Pick<RunnerAdapter, 'homeFolders' | 'homeReadable'>
  /** The agent's scratch folder. */
  readonly tmp: string
  /** The home it sees, and the operator's: the same where the profile says `home: user`. */
  readonly home: string
  readonly operatorHome: string
  readonly dataDir: string
  /** Object stores of the project's repository: its own first, then those it borrows from. */
  readonly objectFolders: readonly string[]
}): Promise<AgentMounts> {
  const { workspace, adapter, home, operatorHome, dataDir } = facts
  const isUsers = home === operatorHome
  const inHome = (names: readonly string[]) => names.map((name) => join(home, name))
  const [own, ...borrowed] = facts.objectFolders
  const stores = [...(own === undefined ? [] : [own]), ...(await objectStores(borrowed))]
  return {
    readable: [
      // Inside the workspace they are the agent's to write.
      ...stores.filter((store) => !isWithin(store, workspace.root)),
      // What the program would act on at the operator's next use is not the agent's to change.
      ...(isUsers ? inHome(adapter.homeReadable).filter(existsSync) : []),
    ],
    writable: [facts.tmp, ...(isUsers ? inHome(adapter.homeFolders) : [home])],
    hidden: [
      dataDir,
      // A home of `/` (services without a user's) is everything: only the data folder can be hidden then.
      ...(operatorHome === '/' ? [] : [operatorHome]),
      ...siblings(workspace, dataDir),
    ],
  }
}

/**
 * A project names the stores it borrows from in a file that an agent can write: only what looks like one is shown,
 * so that no hidden folder comes to light by being named.
 */
async function objectStores(folders: readonly string[]): Promise<string[]> {
  const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => null)))
  return real.filter((folder) => folder !== null).filter(isObjectStore)
}

const isObjectStore = (folder: string): boolean =>
  basename(folder) === 'objects' && existsSync(join(folder, 'pack')) && existsSync(join(folder, 'info'))

/** Other sandboxes of a service that is not ours lie beside this one: `<base>/<id>/merged`. */
function siblings({ sandbox, root }: Workspace, dataDir: string): string[] {
  const base = dirname(dirname(root))
  return sandbox === null || isWithin(root, dataDir) || base === sep ? [] : [base]
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || !(way === '..' || way.startsWith(`..${sep}`))
}
