/** The agent programs as this shell finds them, and whether there is a key or a login for their provider. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createClaudeCodeAdapter } from '../../../adapters/runners/claude-code/index.ts'
import { createOpencodeAdapter } from '../../../adapters/runners/opencode/index.ts'
import type { Config, Environment } from '../../../internal/config.ts'
import type { RunnerAdapter } from '../../../internal/runner/port.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { installOf, noProvider } from './service.ts'

function adapters(env: Environment, config: Config | null): RunnerAdapter[] {
  const found = { path: env['PATH'] ?? '', environment: env }
  return [
    createClaudeCodeAdapter({ ...found, command: config?.levers.RUNNERS_CLAUDE_CODE_PATH ?? 'claude' }),
    createOpencodeAdapter({ ...found, command: config?.levers.RUNNERS_OPENCODE_PATH ?? 'opencode' }),
  ]
}

export async function lookAtPrograms(env: Environment, config: Config | null): Promise<Finding[]> {
  const looks = adapters(env, config).map(async ({ type, probe }): Promise<Finding> => {
    const { available, versionSupported, message } = await probe()
    if (!available) return warn(type, message, `Only if you want to use it: ${installOf(type)}`)
    return versionSupported
      ? ok(type, message)
      : warn(type, message, `Install a version that is tested: ${installOf(type)}`)
  })
  const findings = await Promise.all(looks)
  if (findings.some(({ state }) => state === 'ok')) return findings
  const fix = `Install one: ${installOf('claude-code')}, or ${installOf('opencode')}.`
  return [...findings, fail('runners', 'no agent program can be used, so no run can start', fix)]
}

/** For a service that is down: started from this shell it would know what this shell knows. */
export function lookAtKeys(env: Environment, config: Config | null): Finding {
  const home = env['HOME']
  const access = adapters(env, config).flatMap(({ type, environment, loginFiles }) => {
    const names = environment.filter((name) => env[name])
    const logins = loginFiles.filter((file) => home && existsSync(join(home, file)))
    const how = [...names, ...logins.map((file) => `~/${file}`)]
    return how.length === 0 ? [] : [`${type}: ${how.join(', ')}`]
  })
  return access.length > 0 ? ok('provider', access.join('; ')) : noProvider('this shell has')
}
