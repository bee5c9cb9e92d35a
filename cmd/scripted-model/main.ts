/** `node cmd/scripted-model/main.ts --scenario FILE [--port N]`: a stand-in for a model provider, on loopback. */
import process from 'node:process'
import { parseArgs } from 'node:util'
import { watchParent } from '../../internal/parent-watch.ts'
import { readScenario } from './scenario.ts'
import { startScriptedModel } from './server.ts'

const EXIT_USAGE = 64

function readArguments(): { scenario: string; port: number } {
  const { values } = parseArgs({
    options: { scenario: { type: 'string' }, port: { type: 'string', default: '0' } },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port must be a whole number from 0 to 65535, not ${values.port}`)
  if (values.scenario === undefined) throw new Error('--scenario FILE is missing')
  return { scenario: values.scenario, port }
}

try {
  const { scenario, port } = readArguments()
  const model = await startScriptedModel({ scenario: readScenario(scenario), port })
  process.stdout.write(`${JSON.stringify({ event: 'listening', pid: process.pid, url: model.url })}\n`)
  if (process.env['npm_lifecycle_event']) watchParent(() => void model.close())
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void model.close())
} catch (error) {
  process.stderr.write(`scripted-model: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = EXIT_USAGE
}
