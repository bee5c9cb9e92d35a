/** The diffs that were kept when turns ended, as artifacts. */
import { createHash } from 'node:crypto'
import { diffsOfRun, findDiffOfTurn, type StoredDiff } from '../approval/approval-store.ts'
import type { Db } from '../db/tables.ts'
import type { Redactor } from '../event/redactor.ts'
import type { Artifact, ArtifactSource, OpenArtifact } from './artifact.ts'

/** Newest diffs that a list shows. */
const MAX_LISTED = 100
const DIGEST_PART = 16
const ID = /^diff\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,9})\.([0-9a-f]{16})$/

export function diffArtifacts(deps: { readonly db: Db; readonly redactor: Redactor }): ArtifactSource {
  const opened = (diff: StoredDiff): OpenArtifact => openDiff(diff, deps.redactor)
  return {
    list: async ({ id }) => {
      const artifacts: Artifact[] = []
      for (const { turn, digest } of await diffsOfRun(deps.db, id, MAX_LISTED)) {
        const diff = await findDiffOfTurn(deps.db, id, turn, digest)
        if (diff) artifacts.push(opened(diff).artifact)
      }
      return artifacts
    },
    open: async (id) => {
      const [, runId, turn, part] = ID.exec(id) ?? []
      if (runId === undefined || part === undefined) return null
      const diff = await findDiffOfTurn(deps.db, runId, Number(turn), `sha256:${part}`)
      return diff && opened(diff)
    },
  }
}

/** As a review shows it: without known secrets. */
function openDiff({ runId, turn, digest, content, createdAt }: StoredDiff, redactor: Redactor): OpenArtifact {
  const bytes = Buffer.from(redactor.redact(content))
  const artifact = {
    id: `diff.${runId}.${turn}.${digest.replace('sha256:', '').slice(0, DIGEST_PART)}`,
    runId,
    type: 'diff',
    name: `turn-${turn}.diff`,
    size: bytes.length,
    contentType: 'text/x-diff; charset=utf-8',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    createdAt,
  } as const
  return { artifact, content: bytes }
}
