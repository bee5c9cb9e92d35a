/** A program of ours as a child: started, waited for until it listens, stopped by pid. */
import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import { createInterface } from 'node:readline'

const START_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 40_000
const KEPT_LINES = 20

export interface Child {
  readonly url: string
  /** Asks it to stop and waits. @returns its exit code */
  stop(): Promise<number | null>
}

/** Starts `file` with exactly this environment and reads the one JSON line it prints when it listens. */
export async function startChild(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Child> {
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const lastWords: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    lastWords.push(line)
    if (lastWords.length > KEPT_LINES) lastWords.shift()
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const stop = () => stopChild(child, exited)
  try {
    const url = await firstUrl(child, exited)
    return { url, stop }
  } catch (error) {
    await stop()
    const said = lastWords.join('\n')
    throw new Error(`${error instanceof Error ? error.message : String(error)}${said && `\n${said}`}`)
  }
}

async function firstUrl(child: ChildProcess, exited: Promise<number | null>): Promise<string> {
  const lines = child.stdout ? createInterface({ input: child.stdout }) : null
  const listening = new Promise<string>((resolve, reject) => {
    lines?.once('line', (line) => {
      const url = /"url":"([^"]+)"/.exec(line)?.[1]
      if (url) resolve(url)
      else reject(new Error(`unexpected first line: ${line}`))
    })
    exited.then((code) => reject(new Error(`it ended with exit code ${code} before it listened`)), reject)
    setTimeout(() => reject(new Error('it did not listen in time')), START_TIMEOUT_MS).unref()
  })
  return listening
}

async function stopChild(child: ChildProcess, exited: Promise<number | null>): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  const code = await exited
  clearTimeout(timer)
  return code
}
