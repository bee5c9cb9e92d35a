/** Starts the real embedded workspace-sandbox for tests, or points them at another one through SANDBOX_URL. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

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
    restart: async () => {
      current = await launch()
    },
    stop: async () => {
      const code = await endChild(current.child, 'SIGTERM')
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
    restart: unable,
    stop: async () => 0,
  }
}

export interface Launched {
  readonly child: ChildProcess
  readonly url: string
}

/** Rejects with what the process printed on stderr when it exits before it listens. */
export function launchSandbox(env: Record<string, string>): Promise<Launched> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'warn', ...env },
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
      resolve({ child, url: JSON.parse(stdout.split('\n')[0]!).url })
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
