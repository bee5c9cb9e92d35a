/** The service: is it there, is it ours, and what does it say about what it stands on. */
import {
  ApiError,
  createClient,
  type Health,
  type Runner,
  UnreachableError,
} from '../../../api/client/index.ts'
import { oneLine } from '../show/safe.ts'
import { runnerWord } from '../show/words.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

export interface ServiceState {
  readonly isUp: boolean
  readonly findings: readonly Finding[]
}

const TIMEOUT_MS = 5000

export async function lookAtService(url: string): Promise<ServiceState> {
  const client = createClient({ baseUrl: url, retry: { attempts: 1 } })
  let health: Health
  try {
    health = await client.health.get({ timeoutMs: TIMEOUT_MS })
  } catch (error) {
    return { isUp: false, findings: [whyNot(error, url)] }
  }
  if (health?.service !== 'agent-manager')
    return { isUp: false, findings: [another(url, 'it is no agent-manager')] }
  const runners = await client.runners.list({ timeoutMs: TIMEOUT_MS * 3 })
  return {
    isUp: true,
    findings: [
      ok('service', `${url} answers, version ${health.version}`),
      ...dependencies(health),
      ...runners.map(runnerFinding),
      usable(runners),
      containment(runners),
    ],
  }
}

/** Refused means that nobody listens; anything else that is no answer of ours means that somebody else does. */
function whyNot(error: unknown, url: string): Finding {
  if (
    error instanceof UnreachableError &&
    /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH/.test(error.message)
  ) {
    return fail(
      'service',
      `nobody answers at ${url}`,
      'Start it: npm start. Where it listens elsewhere: --url, or AGENT_MANAGER_URL.',
    )
  }
  if (error instanceof ApiError && error.code !== 'UNKNOWN') {
    return fail(
      'service',
      `${url} refuses: ${error.message}`,
      'Call it by the name of this machine, or as 127.0.0.1.',
    )
  }
  return another(url, error instanceof Error ? error.message : String(error))
}

const another = (url: string, why: string): Finding =>
  fail(
    'port',
    `another program answers at ${url} (${oneLine(why, 100)})`,
    'Stop it, or start the service at another port: PORT=8090 npm start, then --url http://127.0.0.1:8090.',
  )

const FIXES: Readonly<Record<string, string>> = {
  database:
    'Start Postgres, or mend DATABASE_URL and restart the service; without it an embedded one is used.',
  sandbox:
    'Start the workspace-sandbox service, or unset WORKSPACE_SANDBOX_URL and restart: then one is embedded.',
  claim_loop: 'Restart the service; its log says why it stopped taking runs.',
}

function dependencies(health: Health): Finding[] {
  return Object.entries(health.dependencies).flatMap(([name, { status, message }]) => {
    const fix = FIXES[name]
    if (status === 'healthy') return fix === undefined ? [] : [ok(name, message)]
    // The runners have lines of their own, with more to say.
    if (fix === undefined) return []
    return [status === 'degraded' ? warn(name, message, fix) : fail(name, message, fix)]
  })
}

function runnerFinding(runner: Runner): Finding {
  const name = runnerWord(runner.runner_type)
  if (!runner.available) return warn(name, runner.message, `Only if you want to use it: ${installOf(name)}`)
  if (runner.version_supported) return ok(name, runner.message)
  return warn(name, runner.message, `Install a version that is tested: ${installOf(name)}`)
}

const INSTALL: Readonly<Record<string, string>> = {
  'claude-code': 'npm install -g @anthropic-ai/claude-code@2.1',
  opencode: 'npm install -g opencode-ai@1.18',
}
export const installOf = (runner: string): string => INSTALL[runner] ?? 'see the documentation of the service'

function usable(runners: readonly Runner[]): Finding {
  const ready = runners.filter((runner) => runner.available && runner.version_supported)
  return ready.length > 0
    ? ok('runners', `${ready.map((runner) => runnerWord(runner.runner_type)).join(', ')} can be used`)
    : fail(
        'runners',
        'no agent program can be used, so no run can start',
        `Install one: ${installOf('claude-code')}, or ${installOf('opencode')}; then restart the service.`,
      )
}

function containment(runners: readonly Runner[]): Finding {
  const level = runners[0]?.containment ?? 'none'
  return containmentFinding(level)
}

const NEEDED =
  'Install the package "bubblewrap" and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu 24.04 also kernel.apparmor_restrict_unprivileged_userns=0), then restart the service.'

export function containmentFinding(level: 'full' | 'process' | 'none'): Finding {
  if (level === 'full') return ok('containment', 'agents are fully contained (bubblewrap)')
  return level === 'process'
    ? warn('containment', 'agents have processes of their own only, and may write what you may write', NEEDED)
    : warn('containment', 'agents are contained by nothing, and have your rights', NEEDED)
}
