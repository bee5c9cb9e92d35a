/** The embedded workspace-sandbox as a child process, and calls to it. */
import process from 'node:process'
import { startChild } from './child.ts'

export interface SandboxService {
  /** @throws Error on any status that is not a success */
  call(method: string, path: string, body?: object): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

const CALL_MS = 300_000

/** @param driver overlay or copy  @param baseDir absolute path for its sandboxes */
export async function startSandboxService(driver: string, baseDir: string): Promise<SandboxService> {
  const { url, stop } = await startChild('workspace-sandbox/main.ts', [], {
    PATH: process.env['PATH'] ?? '',
    PORT: '0',
    LOG_LEVEL: 'warn',
    SANDBOX_DRIVER: driver,
    SANDBOX_BASE_DIR: baseDir,
    SANDBOX_WATCH_STDIN: '1', // it ends with us
  })
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
    stop,
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
