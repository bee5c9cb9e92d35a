/**
 * Members of the contract that are not built yet. Each is accepted where it says nothing (absent, null, empty,
 * its default) and refused with 501 NOT_IMPLEMENTED where it means something: never silently ignored. When one
 * is built, its row leaves this table.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

/** Nothing in it: null, "", false, 0, and lists and objects of nothing. */
function saysNothing(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(saysNothing)
  return !value
}

/** @param defaults further values that change nothing */
const notYet = (description: string, ...defaults: readonly unknown[]) =>
  z
    .unknown()
    .refine((value) => saysNothing(value) || defaults.some((known) => isDeepStrictEqual(known, value)), {
      params: { rule: 'not_implemented' },
      error: 'is not built yet; leave it out',
    })
    .optional()
    .meta({ description: `Not built yet, a value that matters answers 501. ${description}` })

export const NOT_YET = {
  settings: {
    model_preset: notYet('A model by its rank: FAST, CHEAP, SMART.', 'MODEL_PRESET_UNSPECIFIED'),
    fallback_runner_types: notYet('Runners to take where the first is not available.'),
    sandbox_config: notYet('When the sandbox is stopped and deleted, which files are accepted.'),
    budget: notYet('Limits of cost, tokens, turns, tool calls and wall time.'),
    caches: notYet('Folders shared between runs.'),
  },
  task: {
    phase_prompt_ids: notYet('Prompts of a task in several phases.'),
  },
  createRun: {
    existing_sandbox_id: notYet('A sandbox to go on in.'),
  },
  events: {
    wait: notYet('Seconds to wait for an event when there is none.', '0', '0s'),
  },
  diff: {
    include_ignored: notYet('Lists what git ignores.', 'false', '0'),
  },
  approve: {
    files: notYet('Approve only these files.'),
    hunks: notYet('Approve only these hunks.'),
    commit_branch: notYet('Commit to this branch instead of the checked-out one.'),
    force: notYet('Apply in spite of conflicts.'),
  },
  reject: {
    request_changes: notYet('Send the comments back to the agent as a next turn.'),
    comments: notYet('Comments on lines of the diff.'),
    files: notYet('Reject only these files.'),
    hunks: notYet('Reject only these hunks.'),
  },
  subscription: {
    task_id: notYet('Every run of this task.'),
    tag_prefix: notYet('Every run whose tag starts so.'),
    cursors: notYet('Where each run goes on.'),
  },
} as const
