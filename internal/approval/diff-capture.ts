/** What a turn left behind, read once everything of it is dead, in the form that is reviewed and kept. */
import { createHash } from 'node:crypto'
import type { DiffSummary } from '../run/run.ts'
import type { SandboxDiff } from '../sandbox/port.ts'
import { parseUnifiedDiff } from './diff.ts'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Binds a decision to content: the text as the service sent it and the list of changes beside it. */
export function digestOf(diff: SandboxDiff): string {
  const files = diff.files.map((file) => [file.path, file.changeType])
  return `sha256:${sha256(`${JSON.stringify(files)}\n${diff.text}`)}`
}

export function summarise(diff: SandboxDiff): DiffSummary {
  const parsed = parseUnifiedDiff(diff.text, sha256)
  return {
    digest: digestOf(diff),
    files: diff.files.length,
    additions: parsed.reduce((sum, file) => sum + file.additions, 0),
    deletions: parsed.reduce((sum, file) => sum + file.deletions, 0),
  }
}
