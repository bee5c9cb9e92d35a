import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { type EmbeddedSandbox, startEmbeddedSandbox } from '../../adapters/workspace-sandbox/embedded.ts'
import { createLogger } from '../../internal/log.ts'
import { resolveScope } from '../../internal/project-root.ts'
import { type AdmissionDeps, admit } from '../../internal/run/admission.ts'
import { resolveConfig } from '../../internal/run/resolve-config.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'

let base: string
let embedded: EmbeddedSandbox
let deps: AdmissionDeps
beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-admission-')))
  const log = createLogger('fatal')
  embedded = await startEmbeddedSandbox({ baseDir: join(base, 'sandboxes'), log, environment: process.env })
  const opencode = createOpencodeAdapter({ command: 'opencode', path: '', environment: {} })
  // Admission asks whether the program is there and what it is; that is all this stand-in for a program says.
  const adapter = {
    ...opencode,
    probe: () =>
      Promise.resolve({ available: true, version: '1.18.33', versionSupported: true, message: '' }),
  }
  deps = {
    dataDir: '/nowhere/data',
    registry: new RunnerRegistry({
      adapters: [adapter],
      missing: [],
      containment: 'process',
      environment: { OPENAI_API_KEY: 'of-a-test' },
    }),
    sandbox: createSandboxClient({
      baseUrl: () => embedded.url(),
      token: () => embedded.token(),
      owner: 'test',
    }),
    containment: 'process',
    allowInPlace: false,
    sandboxHidesGit: false,
    environment: {},
  }
})
afterAll(async () => {
  await embedded.stop()
  rmSync(base, { recursive: true, force: true })
})

const levers = { maxTurns: 10, timeoutMs: 60_000, requiresSandbox: true, requiresApproval: true }
const request = (projectRoot: string, inline = {}, mode: 'sandboxed' | 'in_place' = 'sandboxed') => ({
  config: resolveConfig({ runnerType: 'opencode', ...inline }, {}, levers, {
    mode,
    hasProviderAccess: () => true,
  }).config,
  mode,
  projectRoot,
})
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'admitted',
    (error: { code?: string }) => error.code,
  )
const project = (name: string) => {
  mkdirSync(join(base, name))
  return makeGitProject(join(base, name), GREETER)
}

describe('admission', () => {
  test('refuses what cannot be done here, each by its code', async () => {
    const root = project('plain')
    expect(await codeOf(admit(request(root), deps))).toBe('admitted')
    expect(await codeOf(admit(request(root, {}, 'in_place'), deps))).toBe('POLICY_SANDBOX_REQUIRED')
    expect(await codeOf(admit(request(root, { containment: 'required' }), deps))).toBe('RUNNER_CAPABILITY')
    expect(await codeOf(admit(request(root, { network: 'deny' }), deps))).toBe('RUNNER_CAPABILITY')
    expect(await codeOf(admit(request(root, { runnerType: 'codex' }), deps))).toBe('RUNNER_UNAVAILABLE')
    expect(await codeOf(admit(request(root, { env: ['DATABASE_URL'] }), deps))).toBe('VALIDATION_FIELD')
  })

  test('keeps git layouts away from a sandbox service that would share their metadata', async () => {
    const root = project('main tree')
    git(root, 'worktree', 'add', '-q', join(base, 'linked'))
    mkdirSync(join(base, 'no git'))

    expect(await codeOf(admit(request(join(base, 'linked')), deps))).toBe('SANDBOX_GIT_LAYOUT')
    expect(await codeOf(admit(request(join(root, 'src')), deps))).toBe('SANDBOX_GIT_LAYOUT')
    expect(await codeOf(admit(request(join(base, 'no git')), deps))).toBe('admitted')
    expect(await codeOf(admit(request(join(base, 'linked')), { ...deps, sandboxHidesGit: true }))).toBe(
      'admitted',
    )
  })
})

describe('a project root', () => {
  test('must lie in an allowed folder by its real path', async () => {
    const inside = project('inside')
    mkdirSync(join(base, 'outside'))
    symlinkSync(join(base, 'outside'), join(inside, 'way out'))
    const roots = [inside]
    const ask = (projectRoot: string, scopePath = '') =>
      codeOf(resolveScope({ projectRoot, scopePath }, roots))

    expect(await ask(inside)).toBe('admitted')
    expect(await ask(join(inside, 'src'))).toBe('admitted')
    expect(await ask(join(base, 'outside'))).toBe('VALIDATION_PROJECT_ROOT')
    expect(await ask(join(inside, 'way out'))).toBe('VALIDATION_PROJECT_ROOT')
    expect(await ask(`${inside}/../outside`)).toBe('VALIDATION_PROJECT_ROOT')
    expect(await ask(`${inside}-twin`)).toBe('VALIDATION_PROJECT_ROOT')
  })

  test('may be named by its scope absolutely or relatively, never from outside', async () => {
    const root = project('scoped')
    const scope = async (scopePath: string) =>
      (await resolveScope({ projectRoot: root, scopePath }, [])).scope

    expect(await scope('.')).toBe('')
    expect(await scope('not/there/yet')).toBe('not/there/yet')
    expect(await scope(join(root, 'src'))).toBe('src')
    expect(await codeOf(scope('../other'))).toBe('VALIDATION_SCOPE')
    expect(await codeOf(scope('/etc'))).toBe('VALIDATION_SCOPE')
  })
})
