/** agentctl run: everything about runs. */
import type { Command } from 'commander'
import type { OpenSession } from '../session.ts'
import { addRunControl } from './run-control.ts'
import { addRunCreate } from './run-create.ts'
import { addRunRead } from './run-read.ts'
import { addRunReview } from './run-review.ts'
import { addRunWatch } from './run-watch.ts'

export function addRun(program: Command, open: OpenSession): void {
  const run = program.command('run').description('executions of a task: start, watch, decide')
  addRunCreate(run, open)
  addRunRead(run, open)
  addRunWatch(run, open)
  addRunReview(run, open)
  addRunControl(run, open)
}
