/** The conversation of a run through its last ended turn, as a Markdown document. */
import { createHash } from 'node:crypto'
import type { Db } from '../db/tables.ts'
import { endedTurn } from '../run/run.ts'
import { findRun } from '../run/run-store.ts'
import { markdownOf } from '../transcript/markdown.ts'
import { readTranscript } from '../transcript/transcript-service.ts'
import type { ArtifactSource, OpenArtifact } from './artifact.ts'

/** Beyond it the document ends with a word about it; the log has the rest. */
const MAX_BYTES = 32 * 1024 * 1024
const PAGE = 1000
/** Documents whose size and hash are remembered: what was said in an ended turn never changes. */
const MAX_REMEMBERED = 1000
const ID = /^transcript\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,9})$/

export function transcriptArtifacts(
  { db }: { readonly db: Db },
  maxBytes: number = MAX_BYTES,
): ArtifactSource {
  const remembered = new Map<string, OpenArtifact['artifact']>()
  const open = async (runId: string, turn: number): Promise<OpenArtifact | null> => {
    const { text, endedAt } = await render(db, runId, turn, maxBytes)
    if (endedAt === null) return null
    const content = Buffer.from(text)
    const artifact = {
      id: `transcript.${runId}.${turn}`,
      runId,
      type: 'transcript',
      name: `transcript-${turn}.md`,
      size: content.length,
      contentType: 'text/markdown; charset=utf-8',
      sha256: createHash('sha256').update(content).digest('hex'),
      createdAt: endedAt,
    } as const
    const [oldest] = remembered.keys()
    if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest)
    remembered.set(artifact.id, artifact)
    return { artifact, content }
  }
  return {
    list: async ({ id, endedTurn: turn }) => {
      const artifact = remembered.get(`transcript.${id}.${turn}`) ?? (await open(id, turn))?.artifact
      return artifact ? [artifact] : []
    },
    open: async (id) => {
      const [, runId, turn] = ID.exec(id) ?? []
      if (runId === undefined) return null
      const run = await findRun(db, runId)
      // A turn that still goes on would be another document at the next look.
      return run && Number(turn) <= endedTurn(run) ? open(runId, Number(turn)) : null
    },
  }
}

/** `endedAt`: when its last piece was said; null: nothing was said. */
async function render(
  db: Db,
  runId: string,
  lastTurn: number,
  maxBytes: number,
): Promise<{ text: string; endedAt: Date | null }> {
  const parts = [`# Transcript of run ${runId}\n\n`]
  let bytes = 0
  let turn = 0
  let endedAt: Date | null = null
  for (let after = 0; ; ) {
    const page = await readTranscript(db, runId, { afterSequence: after, limit: PAGE })
    for (const entry of page.entries) {
      if (entry.turn > lastTurn) return { text: parts.join(''), endedAt }
      const part = markdownOf(entry, entry.turn !== turn)
      bytes += Buffer.byteLength(part)
      if (bytes > maxBytes) {
        parts.push(`Cut at ${maxBytes} bytes: the rest is in the log, from event ${entry.sequence} on.\n`)
        return { text: parts.join(''), endedAt }
      }
      parts.push(part)
      turn = entry.turn
      endedAt = entry.createdAt
    }
    if (!page.hasMore) return { text: parts.join(''), endedAt }
    after = page.nextAfter
  }
}
