/** Use cases of artifacts: what a run left, and the bytes of one. */
import type { Db } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import { endedTurn, type Run } from '../run/run.ts'
import { findRun } from '../run/run-store.ts'
import type { Artifact, ArtifactSource, OpenArtifact, RunOfArtifacts } from './artifact.ts'

export class ArtifactService {
  readonly #db: Db
  readonly #sources: readonly ArtifactSource[]

  constructor(deps: { readonly db: Db; readonly sources: readonly ArtifactSource[] }) {
    this.#db = deps.db
    this.#sources = deps.sources
  }

  /** @throws NOT_FOUND_RUN */
  async list(runId: string): Promise<readonly Artifact[]> {
    const run = await findRun(this.#db, runId)
    if (!run) throw new AppError('NOT_FOUND_RUN', `There is no run with id ${runId}.`)
    const lists: (readonly Artifact[])[] = []
    // One after the other: each may hold the bytes of many artifacts for a moment.
    for (const source of this.#sources) lists.push(await source.list(ofRun(run)))
    return lists.flat()
  }

  /** @throws NOT_FOUND_ARTIFACT; artifacts of a deleted run are not there either */
  async open(id: string): Promise<OpenArtifact> {
    for (const source of this.#sources) {
      const found = await source.open(id)
      if (found && (await findRun(this.#db, found.artifact.runId))) return found
    }
    throw new AppError('NOT_FOUND_ARTIFACT', `There is no artifact with id ${id.slice(0, 200)}.`)
  }
}

const ofRun = (run: Run): RunOfArtifacts => ({ id: run.id, endedTurn: endedTurn(run) })
