/**
 * Runs the service we ship as a child: loopback, a free port, a token of this start. Its stdin stays open as a
 * life line: the kernel closes it however we end, and the child then ends too. If the child dies it is started
 * again; it keeps its sandboxes on disk.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { Logger } from '../../internal/log.ts'

const MAIN = fileURLToPath(new URL('../../cmd/workspace-sandbox/main.ts', import.meta.url))
/** The service itself waits up to 10 s for the lock of a predecessor. */
const START_MS = 20_000
const STOP_MS = 25_000
const FIRST_BACKOFF_MS = 250
const MAX_BACKOFF_MS = 10_000
/** A child that lived this long starts a new series of backoffs when it dies. */
const HEALTHY_MS = 60_000
const MAX_TAIL_CHARACTERS = 4096

export interface EmbeddedSandbox {
  /** Changes when the service was started again. */
  url(): string
  token(): string
  /** Ends the service and waits for it. Safe to call twice. */
  stop(): Promise<void>
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

interface Running {
  readonly child: Child
  readonly url: string
  readonly ended: Promise<void>
}

/**
 * @param environment where PATH is read from; nothing else is passed on
 * @throws AppError SANDBOX_UNAVAILABLE with the service's own sentence when it does not start
 */
export async function startEmbeddedSandbox(options: {
  readonly baseDir: string
  readonly log: Logger
  readonly environment: Readonly<Record<string, string | undefined>>
}): Promise<EmbeddedSandbox> {
  const token = randomBytes(32).toString('hex')
  const launch = () => launchService(options, token)
  const stopping = new AbortController()
  let running = await launch()
  const watching = watch()

  async function watch(): Promise<void> {
    let backoffMs = FIRST_BACKOFF_MS
    while (!stopping.signal.aborted) {
      const startedAt = performance.now()
      await running.ended
      if (stopping.signal.aborted) return
      if (performance.now() - startedAt > HEALTHY_MS) backoffMs = FIRST_BACKOFF_MS
      options.log.error({ backoff_ms: backoffMs }, 'embedded sandbox service ended, starting it again')
      backoffMs = await startAgain(backoffMs)
    }
  }

  /** @returns the wait before the next start */
  async function startAgain(firstMs: number): Promise<number> {
    for (let waitMs = firstMs; ; waitMs = Math.min(waitMs * 2, MAX_BACKOFF_MS)) {
      // Aborted while waiting: the loop below ends.
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {})
      const next = Math.min(waitMs * 2, MAX_BACKOFF_MS)
      if (stopping.signal.aborted) return next
      try {
        running = await launch()
        return next
      } catch (error) {
        options.log.error({ err: error }, 'embedded sandbox service does not start')
      }
    }
  }

  return {
    url: () => running.url,
    token: () => token,
    stop: async () => {
      stopping.abort()
      await watchingEnd()
    },
  }

  async function watchingEnd(): Promise<void> {
    await endChild(running)
    await watching
    await endChild(running) // one that was being started while we stopped
  }
}

async function launchService(
  options: {
    readonly baseDir: string
    readonly log: Logger
    readonly environment: Readonly<Record<string, string | undefined>>
  },
  token: string,
): Promise<Running> {
  const child: Child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: options.environment['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
      HOST: '127.0.0.1',
      PORT: '0',
      SANDBOX_BASE_DIR: options.baseDir,
      SANDBOX_TOKEN: token,
      SANDBOX_WATCH_STDIN: '1',
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // Writing never happens; an error here only says that the child is gone, which `ended` says too.
  child.stdin.on('error', () => {})
  const tail = forwardLog(child, options.log)
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  const url = await firstUrl(child, ended)
  if (url === null) {
    child.kill('SIGKILL')
    const why = tail() || `no start line within ${START_MS} ms`
    throw new AppError('SANDBOX_UNAVAILABLE', `the embedded sandbox service did not start: ${why}`)
  }
  return { child, url, ended }
}

const startLine = z.object({ event: z.literal('listening'), url: z.url() })

/** The address from the child's start line; null when it ends or stays silent. */
async function firstUrl(child: Child, ended: Promise<void>): Promise<string | null> {
  const lines = createInterface({ input: child.stdout })
  const timeout = new AbortController()
  const line = new Promise<string>((resolve) => lines.once('line', resolve))
  const late = sleep(START_MS, null, { signal: timeout.signal }).catch(() => null)
  const text = await Promise.race([line, ended.then(() => null), late])
  timeout.abort()
  if (text === null) return null
  const parsed = startLine.safeParse(parseJson(text))
  return parsed.success ? parsed.data.url : null
}

const logLine = z.looseObject({ level: z.number(), msg: z.string() })

/** Its log lines become ours. @returns a reader of the last lines that were plain sentences */
function forwardLog(child: Child, log: Logger): () => string {
  let tail = ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    const parsed = logLine.safeParse(parseJson(line))
    if (!parsed.success) {
      tail = `${tail}${line}\n`.slice(-MAX_TAIL_CHARACTERS)
      log.warn({ line: line.slice(0, MAX_TAIL_CHARACTERS) }, 'embedded sandbox service said')
      return
    }
    const { level, msg, time: _time, ...fields } = parsed.data
    const write = level >= 50 ? log.error : level >= 40 ? log.warn : log.info
    write.call(log, { ...fields, sandbox_pid: child.pid }, `sandbox service: ${msg}`)
  })
  return () => tail.trim()
}

async function endChild(running: Running): Promise<void> {
  running.child.stdin.end()
  running.child.kill('SIGTERM')
  const timeout = new AbortController()
  const late = sleep(STOP_MS, 'late', { signal: timeout.signal }).catch(() => 'ended')
  const first = await Promise.race([running.ended.then(() => 'ended'), late])
  timeout.abort()
  if (first === 'late') {
    running.child.kill('SIGKILL')
    await running.ended
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a plain sentence, not a record
  }
}
