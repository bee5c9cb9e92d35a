/**
 * What a run costs beside its agent: from the request to the agent's process without the sandbox's own time, and a
 * whole run against the bare CLI on the same script.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { installClaude } from '../../adapters/runners/claude-code/install.ts'
import { type ListeningChild, startChild } from './child.ts'
import { inTurns, median } from './measure.ts'
import { makeProject } from './sandbox-project.ts'

const SCENARIO = fileURLToPath(new URL('../scripted-model/scenarios/write-file.json', import.meta.url))
const RUN_MS = 60_000

/** Prints two results: `run_spawn` (p50 in ms) and `run_overhead` (ms of a whole run, against the bare CLI). */
export async function benchRun(): Promise<void> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'agent-manager-bench-')))
  const model = await startChild('scripted-model/main.ts', ['--scenario', SCENARIO], {})
  const PATH = process.env['PATH'] ?? ''
  const claude = await installClaude({ env: npmEnvironment() })
  const provider = { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'no-key-needed' }
  const service = await startChild('agent-manager/main.ts', [], {
    PATH,
    HOME: join(base, 'home'),
    PORT: '0',
    AGENT_MANAGER_DATA_DIR: join(base, 'data'),
    AGENT_MANAGER_RUNNERS_CLAUDE_CODE_PATH: claude,
    ...provider,
  })
  try {
    const project = join(base, 'project')
    await makeProject(project, 100)
    const spawned = followSpawns(service)
    const spawnMs: number[] = []
    const ours = () => wholeRun(service.url, project, spawned, spawnMs)
    const theirs = () => bareCli(claude, base, { PATH, ...provider })
    const whole = await inTurns(ours, theirs)
    const idle = spawnMs.slice(1) // the first one does not count: nothing is warm
    print({ name: 'run_spawn', value: Math.round(median(idle)), unit: 'ms', runs: idle.length })
    print({ name: 'run_overhead', unit: 'ms', against: 'the bare CLI on the same script', ...whole })
  } finally {
    await service.stop()
    await model.stop()
    await rm(base, { recursive: true, force: true })
  }
}

const eventSchema = z.object({
  run_id: z.string(),
  timestamp: z.string(),
  status: z.object({ old_status: z.string().nullable(), new_status: z.string() }).optional(),
  progress: z.object({ phase: z.string() }).optional(),
  sandbox: z.object({ action: z.string() }).optional(),
})
type RunEvent = z.infer<typeof eventSchema>
const frameSchema = z.object({ run_event: eventSchema.optional() })
const madeSchema = z.object({ id: z.string() })

const print = (result: object): void => void process.stdout.write(`${JSON.stringify(result)}\n`)

/** Run id -> when its agent's process was there, in ms since 1970, as the service logs it. */
function followSpawns(service: ListeningChild): ReadonlyMap<string, number> {
  const spawned = new Map<string, number>()
  const follow = async () => {
    for await (const line of service.lines) {
      const entry = JSON.parse(line)
      if (entry.msg === 'agent started') spawned.set(entry.run_id, Date.parse(entry.time))
    }
  }
  void follow()
  return spawned
}

async function wholeRun(
  url: string,
  project: string,
  spawned: ReadonlyMap<string, number>,
  spawnMs: number[],
): Promise<number> {
  const made = await call(url, '/api/v1/tasks', {
    task: { title: 'bench', description: 'Write a file.', scope_path: '.', project_root: project },
  })
  const { task } = z.object({ task: madeSchema }).parse(made)
  const profile = { runner_type: 'claude-code', permission_mode: 'bypass' }
  const socket = await watchAll(url)
  const startedAt = Date.now()
  const start = performance.now()
  const created = await call(url, '/api/v1/runs', { task_id: task.id, inline_config: profile })
  const { run } = z.object({ run: madeSchema }).parse(created)
  const events = await socket.untilEnd(run.id)
  const ms = performance.now() - start
  const at = (isIt: (event: RunEvent) => boolean) => Date.parse(events.find(isIt)?.timestamp ?? '')
  const sandboxMs =
    at((event) => event.sandbox?.action === 'created') -
    at((event) => event.progress?.phase === 'sandbox_creating')
  spawnMs.push((spawned.get(run.id) ?? Number.NaN) - startedAt - sandboxMs)
  await call(url, `/api/v1/runs/${run.id}/reject`, {})
  return ms
}

interface AllWatch {
  untilEnd(runId: string): Promise<RunEvent[]>
}

async function watchAll(url: string): Promise<AllWatch> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws`)
  const seen: RunEvent[] = []
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_SUBSCRIBE_ALL' }))
  return {
    untilEnd: (runId) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`run ${runId} does not end`)), RUN_MS)
        const look = () => {
          const events = seen.filter((event) => event.run_id === runId)
          const end = events.find((event) => event.status?.old_status === 'running')
          if (!end?.status) return
          clearTimeout(timer)
          socket.close()
          if (end.status.new_status === 'needs_review') resolve(events)
          else reject(new Error(`run ${runId} ended ${end.status.new_status}`))
        }
        socket.onmessage = ({ data }) => {
          const { run_event } = frameSchema.parse(JSON.parse(String(data)))
          if (run_event) seen.push(run_event)
          look()
        }
      }),
  }
}

async function bareCli(claude: string, base: string, env: Record<string, string>): Promise<number> {
  const work = await mkdtemp(join(base, 'bare-'))
  const home = join(work, 'home')
  await mkdir(home)
  await writeFile(join(work, 'README.md'), '# bench\n')
  const args = ['-p', '--output-format', 'stream-json', '--verbose', '--permission-mode', 'acceptEdits']
  const start = performance.now()
  const child = spawn(claude, [...args, '--setting-sources', 'user'], {
    cwd: work,
    env: { ...env, HOME: home, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.stdin.end('Write a file.')
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the bare CLI ended with ${code}`)
  return performance.now() - start
}

async function call(url: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(RUN_MS),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${JSON.stringify(answer)}`)
  return answer
}

function npmEnvironment(): Record<string, string> {
  const passed = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && /^(PATH|HOME|(https?|no)_proxy|NODE_EXTRA_CA_CERTS|npm_config_.*)$/i.test(name)
      ? [[name, value] as const]
      : [],
  )
  return Object.fromEntries(passed)
}
