/** The command line: global options, and every command with its own. */
import { Command } from 'commander'
import { addCleanup } from './commands/cleanup.ts'
import { addCompletion } from './commands/completion.ts'
import { addDoctor } from './commands/doctor.ts'
import { addInit } from './commands/init.ts'
import { addProfile } from './commands/profile.ts'
import { addRun } from './commands/run.ts'
import { addRunner } from './commands/runner.ts'
import { addTask } from './commands/task.ts'
import { sessions } from './session.ts'
import type { Streams } from './terminal.ts'

const DEFAULT_URL = 'http://127.0.0.1:8080'

const FOOTER = `
Exit codes: 0 done, 1 the service said no or the run failed, 2 wrong usage, 69 nobody answers.
First time here: agentctl doctor, then agentctl init.`

export function createProgram(streams: Streams): Command {
  const program = new Command('agentctl')
    .description('Give coding agents work, watch them, and decide about what they did.')
    .option(
      '--url <url>',
      'where the service listens (AGENT_MANAGER_URL)',
      streams.env['AGENT_MANAGER_URL'] || DEFAULT_URL,
    )
    .option('--json', 'one JSON document, or one a line for streams')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', FOOTER)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: (text) => streams.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, 'agentctl:')),
    })
  const session = sessions(program, streams)
  addInit(program, session)
  addRun(program, session)
  addTask(program, session)
  addProfile(program, session)
  addRunner(program, session)
  addDoctor(program, session)
  addCleanup(program, session)
  addCompletion(program, session)
  return program
}
