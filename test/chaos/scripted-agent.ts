/**
 * A nasty agent that costs nothing: it speaks the wire of claude-code as far as our adapter does, and does what its
 * prompt says, a JSON object. One file without imports of ours: it is copied to where a container shows it.
 *
 * Every line of its work is numbered and hashed over the one before, and goes into a file of the workspace first, then
 * to whoever reads. A session that is resumed goes on after the last line in that file. Beside it a trace in the home
 * says when it lived, by the machine's monotonic clock, so that two of one run that lived at once can be found.
 */
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'

export type Nasty = 'none' | 'children' | 'deaf' | 'exit' | 'hang' | 'garbage' | 'flood' | 'ask'

export interface Script {
  readonly name: string
  readonly lines: number
  readonly delayMs: number
  readonly nasty: Nasty
}

/** Line `index` of a script; the checker knows it too. */
export function lineOf(name: string, index: number): string {
  let hash = name
  for (let at = 0; at <= index; at += 1) hash = createHash('sha256').update(`${hash}:${at}`).digest('hex')
  return `${name} ${index} ${hash.slice(0, 16)}`
}

const MODEL = 'scripted'
const usage = {
  input_tokens: 1,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
}
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const say = (line: object) => say8(Buffer.from(`${JSON.stringify(line)}\n`))

/** Blocks while nobody reads, as a program that prints does. */
function say8(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    }
  }
}

function argument(name: string): string | null {
  const at = process.argv.indexOf(name)
  return at === -1 ? null : (process.argv[at + 1] ?? null)
}

const session = argument('--resume') ?? argument('--session-id') ?? randomUUID()
const home = process.env['HOME'] ?? '/'
const asked = new Map<string, (behavior: string) => void>()
let interrupted = false

async function main(): Promise<void> {
  if (process.argv.includes('--version')) {
    process.stdout.write('2.1.999 (a scripted agent)\n')
    return
  }
  say({
    type: 'system',
    subtype: 'init',
    session_id: session,
    model: MODEL,
    claude_code_version: '2.1.999',
    mcp_servers: [],
    tools: [],
  })
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line)
    if (message.type === 'user') void work(message)
    else if (message.type === 'control_request') answer(message)
    else if (message.type === 'control_response')
      asked.get(message.response.request_id)?.(message.response.response?.behavior ?? 'error')
  }
  if (script?.nasty === 'deaf') await wait(600_000)
  process.exit(0)
}

function answer(message: { request_id: string; request: { subtype: string } }): void {
  const response = { subtype: 'success', request_id: message.request_id, response: {} }
  say({ type: 'control_response', response })
  if (message.request.subtype === 'interrupt') interrupted = true
}

let script: Script | null = null

async function work(message: { uuid: string; message: { content: string } }): Promise<void> {
  noteSession()
  const transcript = transcriptFile()
  // Resumed ones are told something else: the script is in the transcript.
  const given = /\{"name":.*\}/.exec(message.message.content)?.[0]
  const kept = existsSync(transcript) ? readFileSync(transcript, 'utf8').split('\n')[1] : undefined
  script = JSON.parse(given ?? kept ?? '')
  if (script === null) throw new Error('no script')
  keep(transcript, script)
  if (script.nasty === 'deaf') process.on('SIGTERM', () => {})
  if (script.nasty === 'children') leaveChildren()
  const file = join(process.cwd(), `${script.name}.txt`)
  const done = existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
  for (let index = done; index < script.lines && !interrupted; index += 1) {
    await misbehave(script, index)
    const text = lineOf(script.name, index)
    appendFileSync(file, `${text}\n`)
    tell(text)
    await wait(script.delayMs)
  }
  const isDone = !interrupted
  tell(`${script.name} end`)
  say({
    type: 'result',
    subtype: isDone ? 'success' : 'error_during_execution',
    is_error: !isDone,
    result: `done ${script.name}`,
    session_id: session,
    num_turns: 1,
    terminal_reason: isDone ? 'completed' : 'aborted_streaming',
    user_message_uuids: [message.uuid],
    usage,
    modelUsage: {},
  })
}

async function misbehave({ name, lines, nasty }: Script, index: number): Promise<void> {
  if (index !== Math.floor(lines / 2)) return
  if (nasty === 'exit') process.exit(3)
  if (nasty === 'hang') await wait(600_000)
  if (nasty === 'garbage') {
    say8(Buffer.from([0xff, 0xfe, 0x00, 0x22, 0x0a]))
    say8(Buffer.from('{"type":"assistant","message":\n\u0000\n{"type":"system","subtype":"\\ud800"}\n'))
  }
  if (nasty === 'flood')
    for (let n = 0; n < 2000; n += 1)
      say({ type: 'system', subtype: 'notification', message: `${name} ${n}` })
  if (nasty === 'ask') await askForPermission()
}

async function askForPermission(): Promise<void> {
  const id = randomUUID()
  const decided = new Promise<string>((resolve) => asked.set(id, resolve))
  say({
    type: 'control_request',
    request_id: id,
    request: {
      subtype: 'can_use_tool',
      tool_name: 'Write',
      input: { file_path: '/etc/agent', content: 'x' },
    },
  })
  await decided
}

/** What outlives a parent in the usual ways. */
function leaveChildren(): void {
  spawn('sleep', ['600'], { stdio: 'ignore', detached: true }).unref()
  spawn('sh', ['-c', 'setsid sh -c "sleep 600 & sleep 600 &"'], { stdio: 'ignore' }).unref()
}

function tell(text: string): void {
  const id = `msg_${randomUUID()}`
  say({ type: 'stream_event', event: { type: 'message_start', message: { id, model: MODEL, usage } } })
  say({ type: 'assistant', message: { id, model: MODEL, content: [{ type: 'text', text }], usage } })
}

function transcriptFile(): string {
  return join(home, '.claude', 'projects', 'scripted', `${session}.jsonl`)
}

function keep(transcript: string, what: Script): void {
  if (existsSync(transcript)) return
  mkdirSync(join(transcript, '..'), { recursive: true })
  appendFileSync(
    transcript,
    `{"type":"user","uuid":"${randomUUID()}","message":{"content":"x"}}\n${JSON.stringify(what)}\n`,
  )
}

/** `<attempt> <ns>` again and again, while it lives. */
function noteSession(): void {
  const attempt = process.env['AGENT_MANAGER_RUN']?.split(':')[2] ?? '?'
  const note = () => appendFileSync(join(home, 'trace'), `${attempt} ${process.hrtime.bigint()}\n`)
  note()
  setInterval(note, 50).unref()
}

if (process.argv[1] !== undefined && /\/claude$/.test(process.argv[1])) await main()
