/** A program of ours as a child that prints one JSON line when it listens. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface ListeningChild {
  readonly url: string
  /** Every line it logs, as it comes. */
  readonly lines: AsyncIterable<string>
  stop(): Promise<void>
}

const START_MS = 90_000
const STOP_MS = 30_000

/** @param main path below cmd/  @param env its whole environment */
export async function startChild(
  main: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ListeningChild> {
  const file = fileURLToPath(new URL(`../${main}`, import.meta.url))
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const url = await listeningUrl(child, main)
  return {
    url,
    lines: createInterface({ input: child.stderr }),
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      const ended = once(child, 'exit')
      child.stdin.end()
      child.kill('SIGTERM')
      await ended
      clearTimeout(timer)
    },
  }
}

async function listeningUrl(child: ChildProcess, main: string): Promise<string> {
  if (child.stdout === null) throw new Error(`${main} was started without a pipe`)
  const signal = AbortSignal.timeout(START_MS)
  const line = once(createInterface({ input: child.stdout }), 'line', { signal })
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${main} ended with ${String(code)} instead of listening`)
  })
  ended.catch(() => {}) // lost the race: it listens, or its absence was told already
  const [text] = await Promise.race([line, ended])
  const parsed: unknown = JSON.parse(String(text))
  if (typeof parsed !== 'object' || parsed === null || !('url' in parsed))
    throw new Error(`${main} did not say where it listens`)
  return String(parsed.url)
}
