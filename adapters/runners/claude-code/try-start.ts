/** Brings claude-code up without a prompt: it answers a request about itself over its pipes and is ended. */
import { messageOf } from '../../../internal/errors.ts'
import type { LaunchedProcess } from '../../../internal/launcher/port.ts'
import { settlesWithin, withDeadline } from '../../../internal/process/deadline.ts'
import { keepTail } from '../../../internal/process/tail.ts'
import type { StartTrial } from '../../../internal/runner/port.ts'
import { SWITCHES } from './argv.ts'
import { openChannel } from './channel.ts'
import { findClaude } from './find.ts'
import { readLines } from './lines.ts'
import { controlResponseSchema } from './wire.ts'

const MAX_LINE_LENGTH = 1024 * 1024
const STDERR_TAIL = 500
const EXIT_WAIT_MS = 1_000

/** @returns what is in the way; null: nothing */
export async function tryStartClaude(
  options: { readonly command: string; readonly path: string },
  trial: StartTrial,
): Promise<string | null> {
  const program = findClaude(options)
  if (program === null) return `${options.command} is not installed`
  let launched: LaunchedProcess
  try {
    launched = await trial.launch({
      argv: [program.file, ...ARGUMENTS],
      env: { ...trial.env, ...SWITCHES, HOME: trial.home, CLAUDE_CODE_TMPDIR: trial.home },
      readable: program.readable,
    })
  } catch (error) {
    return `claude-code could not be started: ${messageOf(error)}`
  }
  const stderr = keepTail(launched.stderr, STDERR_TAIL)
  try {
    await withDeadline(greet(launched), trial.timeoutMs, 'the start of claude-code')
    return null
  } catch (error) {
    await settlesWithin(launched.exited, EXIT_WAIT_MS) // what it complained of comes before its exit
    return `claude-code does not come up: ${messageOf(error)} ${(stderr() ?? '').trim()}`.trim()
  } finally {
    await launched.stop(0)
  }
}

const ARGUMENTS = [
  '-p',
  ...['--output-format', 'stream-json', '--input-format', 'stream-json', '--verbose'],
  ...['--permission-prompt-tool', 'stdio', '--setting-sources', 'user', '--strict-mcp-config'],
] as const

/** `mcp_status` is answered without a model, a login or a message before it. */
async function greet(launched: LaunchedProcess): Promise<void> {
  const channel = openChannel(launched.stdin)
  const answered = channel.ask({ subtype: 'mcp_status' })
  const heard = (async () => {
    for await (const { text } of readLines(launched.stdout, MAX_LINE_LENGTH)) {
      const answer = controlResponseSchema.safeParse(parsed(text))
      if (!answer.success) continue
      channel.answered(answer.data)
      return
    }
    throw new Error('it ended before it answered.')
  })()
  await Promise.all([answered, heard]).finally(() => channel.close())
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // not one of the lines that are waited for
  }
}
