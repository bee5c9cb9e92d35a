/**
 * An agent for tests that leaves processes behind in every way there is. Arguments: a token that all of them carry
 * in their command lines, what the agent does in the end (`wait`, `deaf`, `exit`), and the kinds to leave.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { listProcesses, type ProcessRow, signalProcess } from '../../internal/process/proc.ts'

export const LEAVING_AGENT = fileURLToPath(import.meta.url)

/** `$0` is the token: a time that sleep takes, and nobody else sleeps for. */
const SCRIPTS = {
  plain: 'sleep $0',
  nohup: 'nohup sleep $0 >/dev/null 2>&1',
  session: 'setsid sleep $0',
  orphan: '(sleep $0 &)',
  deaf: 'trap "" TERM HUP INT; while :; do sleep $0; done',
  emptied: 'env -i sleep $0',
  'emptied session': 'setsid env -i sleep $0',
  'emptied orphan': '(env -i sleep $0 &)',
  forking: 'i=0; while [ $i -lt 300 ]; do sleep $0 & i=$((i+1)); sleep 0.01; done; wait',
  namespace: 'unshare --user --map-root-user --pid --fork setsid sleep $0 || sleep $0',
  // Keeps our stdout open when everybody else is gone.
  'open output': 'setsid sleep $0',
} as const

/** All that a launcher without containment can find again. */
export const TRACEABLE = Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[]
/** No mark, no parent, a session of its own: only a container holds it. */
export const HIDDEN = '(setsid env -i sleep $0 >/dev/null 2>&1 &)'

const tokens: string[] = []

/** A time in seconds that marks one test's processes. */
export function newToken(): string {
  const token = `9${process.hrtime.bigint()}.5`
  tokens.push(token)
  return token
}

/** What a test that failed left behind. */
export function endAllWithTokens(): void {
  for (const token of tokens.splice(0)) for (const row of withToken(token)) signalProcess(row, 'SIGKILL')
}

/** All living processes that carry the token, whatever became of their environment and parents. */
export const withToken = (token: string): ProcessRow[] =>
  listProcesses().filter(({ pid }) => commandLine(pid).includes(token))

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended
  }
}

function leave(): void {
  const [token = '', end, ...kinds] = process.argv.slice(2)
  for (const kind of kinds) {
    const script = kind in SCRIPTS ? SCRIPTS[kind as keyof typeof SCRIPTS] : kind
    const output = kind === 'open output' ? 'inherit' : 'ignore'
    spawn('sh', ['-c', script, token], { stdio: ['ignore', output, 'ignore'] })
  }
  if (end === 'deaf') process.on('SIGTERM', () => undefined)
  process.stdout.write('up\n')
  if (end === 'exit') process.stdin.resume().once('end', () => process.exit(0))
  else setInterval(() => undefined, 1_000)
}

if (import.meta.main) leave()
