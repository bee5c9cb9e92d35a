/**
 * The main job in one go: a task, a run, its diff, and the approval of exactly that diff.
 * `node examples/run-and-approve.ts <project folder> <what is wanted>`
 */
import { createClient } from '../api/client/index.ts'

const client = createClient({ baseUrl: process.env['AGENT_MANAGER_URL'] ?? 'http://127.0.0.1:8080' })
const [, , project_root = process.cwd(), description = 'Tidy up the README.'] = process.argv

const { profile } = await client.profiles.ensure({
  profile_key: 'example',
  defaults: { runner_type: 'opencode', timeout: '10m' },
})
const task = await client.tasks.create({ title: 'An example', description, project_root })
const { id } = await client.runs.create({ task_id: task.id, agent_profile_id: profile.id })
const run = await client.runs.wait(id, { until: 'turn_end' })
if (run.status !== 'RUN_STATUS_NEEDS_REVIEW')
  throw new Error(run.error_msg ?? `nothing to review: ${run.status}`)

const diff = await client.runs.diff(id)
console.log(diff.content)
const { result } = await client.runs.approve(id, { actor: 'example', digest: diff.digest })
console.log(result.message)
