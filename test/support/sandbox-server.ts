/** Starts the real embedded workspace-sandbox for tests, or points them at another one through SANDBOX_URL. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const MAIN = fileURLToPath(new URL('../../cmd/workspace-sandbox/main.ts', import.meta.url))
const START_MS = 20_000

export interface Answer {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read foreign JSON field by field
  readonly json: any
}

export interface SandboxServer {
  readonly url: string
  readonly token: string | null
  readonly baseDir: string
  call(method: string, path: string, body?: unknown): Promise<Answer>
  /** SIGKILL, then a new process on the same folder. */
  crash(): Promise<void>
  /** SIGTERM; the folder stays. */
  halt(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<number | null>
}

export async function startSandboxServer(env: Record<string, string> = {}): Promise<SandboxServer> {
  const foreign = process.env['SANDBOX_URL']
  if (foreign !== undefined) return foreignServer(foreign)
  const baseDir = env['SANDBOX_BASE_DIR'] ?? (await mkdtemp(join(tmpdir(), 'sandbox-base-')))
  const launch = () => launchSandbox({ SANDBOX_BASE_DIR: baseDir, PORT: '0', ...env })
  let current = await launch()
  return {
    get url() {
      return current.url
    },
    token: env['SANDBOX_TOKEN'] ?? null,
    baseDir,
    call: (method, path, body) => callSandbox(current.url, env['SANDBOX_TOKEN'] ?? null, method, path, body),
    crash: () => endChild(current.child, 'SIGKILL').then(() => {}),
    halt: () => endChild(current.child, 'SIGTERM').then(() => {}),
    restart: async () => {
      current = await launch()
    },
    stop: async () => {
      const code = await endChild(current.child, 'SIGTERM')
      await unmountBelow(baseDir) // of a service that was killed
      await rm(baseDir, { recursive: true, force: true })
      return code
    },
  }
}

function foreignServer(url: string): SandboxServer {
  const unable = () => Promise.reject(new Error('not possible with SANDBOX_URL'))
  return {
    url,
    token: process.env['SANDBOX_TOKEN'] ?? null,
    baseDir: '',
    call: (method, path, body) => callSandbox(url, process.env['SANDBOX_TOKEN'] ?? null, method, path, body),
    crash: unable,
    halt: unable,
    restart: unable,
    stop: async () => 0,
  }
}

/** The driver of this run of the suites; `overlay` has a test file that runs all of them again. */
export const testedDriver = (): string => process.env['SANDBOX_DRIVER'] ?? 'copy'

/** Why the overlay driver cannot be tested here, or null. The service itself is asked. */
export async function whyNoOverlay(): Promise<string | null> {
  if (process.env['SANDBOX_URL'] !== undefined) return 'SANDBOX_URL names a foreign service'
  const baseDir = await mkdtemp(join(tmpdir(), 'sandbox-probe-'))
  try {
    const env = { SANDBOX_BASE_DIR: baseDir, PORT: '0', SANDBOX_DRIVER: 'overlay' }
    await endChild((await launchSandbox(env)).child, 'SIGTERM')
    return null
  } catch (error) {
    return String(error)
  } finally {
    await rm(baseDir, { recursive: true, force: true })
  }
}

/** Mount points in a folder, innermost first. */
export async function mountsBelow(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const points = lines.map((line) => line.split(' ')[4] ?? '')
  return points.filter((point) => point.startsWith(`${folder}/`)).toReversed()
}

export async function unmountBelow(folder: string): Promise<void> {
  for (const point of await mountsBelow(folder)) await promisify(execFile)('umount', ['-l', point])
}

export interface Launched {
  readonly child: ChildProcess
  /** The end of what it logged. */
  log(): string
  readonly url: string
  readonly driver: string
}

/** Rejects with what the process printed on stderr when it exits before it listens. */
export function launchSandbox(env: Record<string, string>): Promise<Launched> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'warn', SANDBOX_DRIVER: testedDriver(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-20_000)
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the sandbox service did not start: ${stderr}`))
    }, START_MS)
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (!stdout.includes('\n')) return
      clearTimeout(timer)
      const { url, driver } = JSON.parse(stdout.split('\n')[0]!)
      resolve({ child, url, driver, log: () => stderr })
    })
    child.on('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`exit ${code}: ${stderr}`))
    })
  })
}

export function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
    child.on('exit', (code) => {
      clearTimeout(timer)
      resolve(code)
    })
    child.kill(signal)
  })
}

export async function callSandbox(
  url: string,
  token: string | null,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(40_000),
  })
  const text = await response.text()
  return { status: response.status, text, json: parse(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null // an empty or plain-text answer
  }
}
