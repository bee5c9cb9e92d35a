/** Follows a run until its turn ends: `node examples/follow-run.ts <run id>`. Stop it and start it again as you like. */
import { createClient } from '../api/client/index.ts'

const client = createClient({ baseUrl: process.env['AGENT_MANAGER_URL'] ?? 'http://127.0.0.1:8080' })
for await (const event of client.runs.watch(process.argv[2] ?? '', { until: 'turn_end' })) {
  console.log(event.sequence, event.message?.content ?? event.tool_call?.tool_name ?? event.event_type)
}
