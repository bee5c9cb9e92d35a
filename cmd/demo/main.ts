/**
 * `npm run demo`: the main job, for real. A coding agent changes a git project inside a sandbox; its events
 * are shown as they come, then the diff, then the commit. Leaves nothing behind.
 */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { installOpencode } from '../../adapters/runners/opencode/install.ts'
import { type Child, startChild } from './child.ts'
import { ApiClient, type Json, member, text } from './client.ts'
import { chooseModel, type DemoModel } from './model.ts'
import { npmEnvironment } from './npm-environment.ts'
import { heading, isTurnEnd, say, sentence, showBlock, showDiff, showEvent } from './picture.ts'
import { type DemoProject, makeProject } from './project.ts'

const SERVICE = fileURLToPath(new URL('../agent-manager/main.ts', import.meta.url))
const TASK =
  'greet() in src/greet.js says "Hello " when the name is empty. Let it greet the world then, and add a test.'

type Undo = () => Promise<unknown>

async function demo(undo: Undo[]): Promise<void> {
  const { values } = parseArgs({
    options: { runner: { type: 'string', default: 'opencode' }, model: { type: 'string' } },
  })
  if (values.runner !== 'opencode') throw new Error(`--runner ${values.runner}: only opencode is built yet.`)
  const model = await chooseModel(process.env, values.model)
  undo.push(() => model.stop())
  sentence(model.sentence)

  heading('Getting ready')
  const base = await realpath(await mkdtemp(join(tmpdir(), 'agent-manager-demo-')))
  undo.push(() => rm(base, { recursive: true, force: true }))
  await mkdir(join(base, 'project'))
  const project = await makeProject(join(base, 'project'), servicePath())
  say('project', project.folder)
  say('agent', 'opencode (installed on first use)')
  const opencode = await installOpencode({ env: npmEnvironment(process.env) })
  const service = await startService(join(base, 'data'), opencode, model)
  undo.push(() => service.stop())
  say('service', service.url)

  await runAndApprove(new ApiClient(service.url), project, model)
  const code = await service.stop()
  if (code !== 0) throw new Error(`the service ended with exit code ${code}`)
}

async function runAndApprove(api: ApiClient, project: DemoProject, model: DemoModel): Promise<void> {
  heading('The run')
  const ensured = await api.post('/profiles/ensure', {
    profile_key: 'demo',
    // Where nothing contains the agent its commands are asked for; nobody sits here to answer.
    defaults: {
      runner_type: 'opencode',
      model: model.model,
      timeout: '120s',
      interaction_timeout: '1s',
    },
  })
  const task = await api.post('/tasks', {
    task: {
      title: 'Greet somebody without a name',
      description: TASK,
      scope_path: '.',
      project_root: project.folder,
    },
  })
  const created = await api.post('/runs', {
    task_id: member(task, 'task')['id'],
    agent_profile_id: member(ensured, 'profile')['id'],
    tag: 'demo',
  })
  const runId = text(member(created, 'run')['id'])
  await api.watch(runId, (event) => {
    showEvent(event)
    return isTurnEnd(event)
  })
  const { run } = { run: member(await api.get(`/runs/${runId}`), 'run') }
  say('held', containment(run))
  if (run['status'] !== 'RUN_STATUS_NEEDS_REVIEW')
    throw new Error(`the run ended ${text(run['status'])}: ${text(run['error_msg'])}`)

  heading('The diff')
  const diff = member(await api.get(`/runs/${runId}/diff`), 'diff')
  if (text(diff['content']) === '') throw new Error('the diff is empty')
  showDiff(text(diff['content']))

  heading('Approved: the commit in the project')
  const approved = await api.post(`/runs/${runId}/approve`, { actor: 'demo', digest: diff['digest'] })
  if (!text(member(approved, 'result')['commit_hash'])) throw new Error('nothing was committed')
  showBlock(await project.lastCommit())
}

function containment(run: Json): string {
  switch (run['contained']) {
    case 'full':
      return 'in a container of its own: the rest of the machine read-only or hidden (bubblewrap)'
    case 'process':
      return 'in a PID namespace of its own only; install bubblewrap to hold it fully'
    default:
      return 'by nothing; install bubblewrap to hold it'
  }
}

function startService(dataDir: string, opencode: string, model: DemoModel): Promise<Child> {
  return startChild(SERVICE, [], {
    PATH: servicePath(),
    HOME: process.env['HOME'] ?? dataDir,
    LANG: 'C.UTF-8',
    PORT: '0',
    AGENT_MANAGER_DATA_DIR: dataDir,
    AGENT_MANAGER_RUNNERS_OPENCODE_PATH: opencode,
    AGENT_MANAGER_SERVER_LOG_LEVEL: 'warn',
    // It watches its parent then: a killed demo leaves no service behind.
    npm_lifecycle_event: 'demo',
    ...model.env,
  })
}

const servicePath = (): string =>
  process.env['PATH'] ?? ['/usr/local/bin', '/usr/bin', '/bin'].join(delimiter)

async function cleanUp(steps: Undo[]): Promise<void> {
  for (let step = steps.pop(); step; step = steps.pop()) await step()
}

const undo: Undo[] = []
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stderr.write('\ndemo: interrupted, cleaning up\n')
    cleanUp(undo).then(
      () => process.exit(130),
      () => process.exit(1),
    )
  })
}
process.exitCode = await demo(undo).then(
  () => 0,
  (error: unknown) => {
    process.stderr.write(`\ndemo: ${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  },
)
await cleanUp(undo)
