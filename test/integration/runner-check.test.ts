/** A thorough look at the real programs, in the best container of this machine. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { createClaudeCodeAdapter } from '../../adapters/runners/claude-code/index.ts'
import { installClaude } from '../../adapters/runners/claude-code/install.ts'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { installOpencode } from '../../adapters/runners/opencode/install.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import { createLogger } from '../../internal/log.ts'
import type { RunnerAdapter } from '../../internal/runner/port.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { RunnerChecker } from '../../internal/runner/runner-check.ts'
import { PATH } from '../support/played-turn.ts'
import { npmEnvironment } from '../support/service.ts'

const base = mkdtempSync(join(tmpdir(), 'agent-manager-check-test-'))
const home = join(base, 'home')
mkdirSync(home)
let launcher: Launcher
let [claude, opencode] = ['', '']
beforeAll(async () => {
  launcher = await detectLauncher({ log: createLogger('silent'), path: PATH })
  claude = await installClaude({ env: npmEnvironment() })
  opencode = await installOpencode({ env: npmEnvironment() })
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

function checker(adapter: RunnerAdapter, environment: Record<string, string> = {}): RunnerChecker {
  const registry = new RunnerRegistry({
    adapters: [adapter],
    missing: [{ type: 'codex', capabilities: adapter.capabilities, message: 'not built yet' }],
    containment: launcher.containment,
    environment,
  })
  return new RunnerChecker({
    registry,
    launcher,
    path: PATH,
    operatorHome: home,
    dataDir: join(base, 'data'),
  })
}

const claudeWith = (command: string, environment: Record<string, string> = {}) =>
  checker(createClaudeCodeAdapter({ command, path: PATH, environment }), environment)

describe('claude-code', () => {
  test('with a key comes up and is ready', async () => {
    const check = await claudeWith(claude, { ANTHROPIC_API_KEY: 'k' }).check('claude-code')

    expect(check).toMatchObject({
      ok: true,
      details: {
        start: 'ok',
        access: 'environment',
        version_supported: 'true',
        containment: launcher.containment,
      },
    })
    expect(check.latencyMs).toBeLessThan(30_000)
  })

  test('without a key or login is told to get one; a login counts', async () => {
    const without = await claudeWith(claude).check('claude-code')
    mkdirSync(join(home, '.claude'))
    writeFileSync(join(home, '.claude/.credentials.json'), '{}')
    const withLogin = await claudeWith(claude).check('claude-code')

    expect(without).toMatchObject({ ok: false, details: { access: 'none', start: 'ok' } })
    expect(without.message).toContain('ANTHROPIC_API_KEY')
    expect(withLogin).toMatchObject({ ok: true, details: { access: 'login' } })
  })

  test('that is not installed, or not of a version we know, is not started', async () => {
    const old = program('old', 'echo 1.0.0')
    const missing = await claudeWith('no-such-program').check('claude-code')
    const foreign = await claudeWith(old).check('claude-code')

    expect(missing).toMatchObject({ ok: false, details: { start: 'not tried' } })
    expect(missing.message).toContain('no-such-program')
    expect(foreign).toMatchObject({ ok: false, details: { version: '1.0.0', version_supported: 'false' } })
  })

  test('that says its version and then does not come up is told with its last words', async () => {
    const broken = program('broken', 'if [ "$1" = --version ]; then echo 2.1.329; else echo no way >&2; fi')

    const check = await claudeWith(broken, { ANTHROPIC_API_KEY: 'k' }).check('claude-code')

    expect(check.ok).toBe(false)
    expect(check.message).toMatch(/does not come up.*no way/)
  })
})

test('opencode comes up; whoever asks meanwhile gets the same answer', async () => {
  const environment = { OPENROUTER_API_KEY: 'k' }
  const one = checker(createOpencodeAdapter({ command: opencode, path: PATH, environment }), environment)

  const [first, second] = await Promise.all([one.check('opencode'), one.check('opencode')])

  expect(first).toMatchObject({ ok: true, details: { start: 'ok', access: 'environment' } })
  expect(second).toBe(first)
})

test('a runner without an adapter is told, not thrown', async () => {
  const check = await claudeWith(claude).check('codex')

  expect(check).toMatchObject({ ok: false, message: 'runner_type codex: not built yet' })
})

function program(name: string, script: string): string {
  const file = join(base, name)
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
  return file
}
