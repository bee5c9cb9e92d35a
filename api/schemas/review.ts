/** Diffs and decisions on the wire. */
import { z } from 'zod'
import type { ApprovalResult, RunDiff, ShownFile } from '../../internal/approval/approval-service.ts'
import { flagIn, longTextIn, textIn } from '../dialect/fields.ts'
import { MAX_TEXT_BYTES } from '../limits.ts'
import { NOT_YET } from '../not-yet.ts'
import { actorIn, idOut, repeatedId, time, timeOut } from './common.ts'
import { runOut } from './run.ts'

export const diffQuery = z.strictObject(NOT_YET.diff)

export const approveBody = z.strictObject({
  run_id: repeatedId,
  actor: actorIn,
  commit_msg: longTextIn(MAX_TEXT_BYTES, 'The message of the commit.'),
  create_commit: flagIn('Whether to commit what is applied. Absent: yes in a git work tree.'),
  digest: textIn(
    255,
    'The digest of the diff that was reviewed. Absent: the one stored when the turn ended.',
  ),
  ...NOT_YET.approve,
})

export const rejectBody = z.strictObject({
  run_id: repeatedId,
  actor: actorIn,
  reason: longTextIn(MAX_TEXT_BYTES, 'Why.'),
  ...NOT_YET.reject,
})

const hunkOut = z.strictObject({
  id: z.string().meta({ description: 'The same for the same content.' }),
  old_start: z.int(),
  old_lines: z.int(),
  new_start: z.int(),
  new_lines: z.int(),
  header: z.string(),
  lines: z.array(z.string()).meta({ description: 'Each with its +, - or space.' }),
})

const fileOut = z
  .strictObject({
    path: z.string(),
    old_path: z.string().nullable().meta({ description: 'Where a renamed file came from.' }),
    change_type: z.enum(['added', 'modified', 'deleted', 'renamed']),
    additions: z.int(),
    deletions: z.int(),
    is_binary: z.boolean(),
    redacted: z.boolean(),
    old_mode: z.string().nullable(),
    new_mode: z.string().nullable(),
    hunks: z.array(hunkOut),
  })
  .meta({ id: 'DiffFile', description: 'One changed file.' })

export const diffAnswer = z.strictObject({
  diff: z
    .strictObject({
      run_id: idOut,
      digest: z.string().meta({ description: 'Send it with the approval.' }),
      content: z.string().meta({ description: 'The unified diff.' }),
      generated_at: timeOut('When it was made.'),
      ignored: z.null().meta({ description: 'Always null: not built yet.' }),
      files: z.array(fileOut),
    })
    .meta({ id: 'RunDiff', description: 'What the run would change in the project.' }),
})

const fileView = (file: ShownFile): z.output<typeof fileOut> => ({
  path: file.path,
  old_path: file.oldPath,
  change_type: file.changeType,
  additions: file.additions,
  deletions: file.deletions,
  is_binary: file.isBinary,
  redacted: file.redacted,
  old_mode: file.oldMode,
  new_mode: file.newMode,
  hunks: file.hunks.map((hunk) => ({
    id: hunk.id,
    old_start: hunk.oldStart,
    old_lines: hunk.oldLines,
    new_start: hunk.newStart,
    new_lines: hunk.newLines,
    header: hunk.header,
    lines: [...hunk.lines],
  })),
})

export const diffView = (diff: RunDiff): z.output<typeof diffAnswer> => ({
  diff: {
    run_id: diff.runId,
    digest: diff.digest,
    content: diff.content,
    generated_at: time(diff.generatedAt),
    ignored: null,
    files: diff.files.map(fileView),
  },
})

const resultOut = z
  .strictObject({
    success: z.boolean(),
    files_applied: z.int(),
    hunks_applied: z.int(),
    commit_hash: z.string().nullable(),
    message: z.string(),
    remaining_files: z.int(),
    remaining_hunks: z.int(),
    is_partial: z.boolean(),
    conflicts: z.array(z.strictObject({ path: z.string(), reason: z.string() })),
  })
  .meta({ id: 'ApprovalResult', description: 'What was applied to the project.' })

export const approveAnswer = z.strictObject({ result: resultOut, run: runOut })

/** All or nothing for now: nothing remains. */
export const resultView = (result: ApprovalResult): z.output<typeof resultOut> => ({
  success: result.success,
  files_applied: result.filesApplied,
  hunks_applied: result.hunksApplied,
  commit_hash: result.commitHash,
  message: result.message,
  remaining_files: 0,
  remaining_hunks: 0,
  is_partial: false,
  conflicts: [],
})

export const rejectAnswer = z.strictObject({ status: z.literal('rejected'), run: runOut })
