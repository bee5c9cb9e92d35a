/** The agent programs as this shell finds them, and whether there is a key or a login for their provider. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createClaudeCodeAdapter } from '../../../adapters/runners/claude-code/index.ts'
import { createOpencodeAdapter } from '../../../adapters/runners/opencode/index.ts'
import type { Config, Environment } from '../../../internal/config.ts'
import type { RunnerAdapter } from '../../../internal/runner/port.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { installOf } from './service.ts'

/** Where the programs keep their logins, below the home. */
const LOGINS: Readonly<Record<string, readonly string[]>> = {
  'claude-code': ['.claude/.credentials.json'],
  opencode: ['.local/share/opencode/auth.json'],
}

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

/** The service may know more than this shell, so nothing fails here. */
export function lookAtKeys(env: Environment, config: Config | null): Finding {
  const access = adapters(env, config).flatMap(({ type, environment }) => {
    const names = environment.filter((name) => env[name])
    const logins = (LOGINS[type] ?? []).filter((file) => env['HOME'] && existsSync(join(env['HOME'], file)))
    const how = [...names, ...logins.map((file) => `~/${file}`)]
    return how.length === 0 ? [] : [`${type}: ${how.join(', ')}`]
  })
  if (access.length > 0) return ok('provider', access.join('; '))
  return warn(
    'provider',
    'this shell has no key and no login for a model provider',
    'Start the service with ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENROUTER_API_KEY, or log in: claude, then /login; opencode auth login.',
  )
}
