/** The embedded workspace-sandbox as a child process, and calls to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface SandboxService {
  /** @throws Error on any status that is not a success */
  call(method: string, path: string, body?: object): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../workspace-sandbox/main.ts', import.meta.url))
const START_MS = 20_000
const CALL_MS = 300_000
const STOP_MS = 30_000

/** @param driver overlay or copy  @param baseDir absolute path for its sandboxes */
export async function startSandboxService(driver: string, baseDir: string): Promise<SandboxService> {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env['PATH'] ?? '',
      PORT: '0',
      LOG_LEVEL: 'warn',
      SANDBOX_DRIVER: driver,
      SANDBOX_BASE_DIR: baseDir,
      SANDBOX_WATCH_STDIN: '1', // it ends with us
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const url = await readUrl(child)
  return {
    call: async (method, path, body) => {
      const response = await fetch(new URL(path, url), {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(CALL_MS),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
      return asRecord(text === '' ? {} : JSON.parse(text))
    },
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      clearTimeout(timer)
    },
  }
}

async function readUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the service was started without a pipe')
  const lines = createInterface({ input: child.stdout })
  const signal = AbortSignal.timeout(START_MS)
  const first = once(lines, 'line', { signal }).then(([line]) => asRecord(JSON.parse(String(line)))['url'])
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the service ended with ${String(code)} instead of listening`)
  })
  ended.catch(() => {}) // lost the race: the service is up, or its absence was told already
  const url = await Promise.race([first, ended])
  return String(url)
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
