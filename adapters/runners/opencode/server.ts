/** Starts `opencode serve` and waits until it answers. */
import { createServer } from 'node:net'
import { messageOf } from '../../../internal/errors.ts'
import type { ExitStatus, LaunchedProcess } from '../../../internal/launcher/port.ts'
import { createInterrupt } from '../../../internal/process/interrupt.ts'
import { createLineSplitter } from '../../../internal/process/line-splitter.ts'
import { keepTail } from '../../../internal/process/tail.ts'
import { failureOf } from '../../../internal/runner/failure.ts'
import type { Failure } from '../../../internal/runner/port.ts'
import { createOpencodeClient, type OpencodeClient } from './http.ts'

const STDERR_TAIL = 4 * 1024
const MAX_LINE_LENGTH = 8 * 1024
/** Between choosing a port and binding it somebody else may take it. */
const MAX_PORT_TRIES = 3
const STOP_GRACE_MS = 2_000

export interface OpencodeServer {
  readonly process: LaunchedProcess
  readonly client: OpencodeClient
  readonly stderrTail: () => string | null
}

export type StartResult =
  | { readonly kind: 'started'; readonly server: OpencodeServer }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The signal was aborted first. */
  | { readonly kind: 'stopped' }

export interface StartRequest {
  readonly file: string
  readonly directory: string
  readonly password: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
  launch(argv: readonly [string, ...string[]]): Promise<LaunchedProcess>
}

/** Nothing is left running unless the result is `started`. */
export async function startServer(request: StartRequest): Promise<StartResult> {
  const end = performance.now() + request.timeoutMs
  for (let attempt = 1; ; attempt += 1) {
    const result = await startOnce(request, end)
    const portTaken =
      result.kind === 'failed' &&
      // 1.18 says no more than its error's name when the port is taken.
      /ServeError|EADDRINUSE/.test(result.failure.stderrTail ?? '')
    if (!portTaken || attempt === MAX_PORT_TRIES) return result
  }
}

async function startOnce(request: StartRequest, end: number): Promise<StartResult> {
  if (request.signal.aborted) return { kind: 'stopped' }
  const port = await freePort()
  const process = await request.launch([
    request.file,
    'serve',
    '--hostname',
    '127.0.0.1',
    '--port',
    String(port),
  ])
  process.stdin.end()
  const stderrTail = keepTail(process.stderr, STDERR_TAIL)
  const waited = await waitUntilListening(process, request, end)
  const result =
    'ending' in waited
      ? givenUp(waited.ending, request.timeoutMs)
      : await greet(process, request, waited.value, stderrTail)
  if (result.kind === 'started') return result
  await process.stop(STOP_GRACE_MS)
  return result.kind === 'failed'
    ? { kind: 'failed', failure: { ...result.failure, stderrTail: stderrTail() } }
    : result
}

/** The server says where it listens; now it must also answer, and know the password. */
async function greet(
  process: LaunchedProcess,
  { password, directory }: StartRequest,
  url: string,
  stderrTail: () => string | null,
): Promise<StartResult> {
  const client = createOpencodeClient({ url, password, directory })
  const fault = await client.isHealthy().then(
    (healthy) => (healthy ? null : 'it is not healthy'),
    (error: unknown) => messageOf(error),
  )
  return fault === null
    ? { kind: 'started', server: { process, client, stderrTail } }
    : {
        kind: 'failed',
        failure: failureOf('agent_crashed', `opencode started, but does not answer: ${fault}`),
      }
}

/** Why the wait for the server ended without it. */
type GivenUp =
  | { readonly kind: 'aborted' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'exited'; readonly status: ExitStatus }

async function waitUntilListening(
  process: LaunchedProcess,
  { signal }: StartRequest,
  end: number,
): Promise<{ readonly value: string } | { readonly ending: GivenUp }> {
  const interrupt = createInterrupt<GivenUp>()
  const onAbort = (): void => interrupt.raise({ kind: 'aborted' })
  const timer = setTimeout(() => interrupt.raise({ kind: 'timeout' }), Math.max(0, end - performance.now()))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  void process.exited.then((status) => interrupt.raise({ kind: 'exited', status }))
  try {
    return await interrupt.wait(listeningUrl(process))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

function givenUp(ending: GivenUp, timeoutMs: number): Exclude<StartResult, { kind: 'started' }> {
  switch (ending.kind) {
    case 'aborted':
      return { kind: 'stopped' }
    case 'timeout':
      return {
        kind: 'failed',
        failure: failureOf('start_timeout', `opencode was not ready within ${timeoutMs} ms`),
      }
    case 'exited': {
      const { code, signal } = ending.status
      const message = 'opencode ended before it was ready'
      return { kind: 'failed', failure: failureOf('agent_crashed', message, { exitCode: code, signal }) }
    }
  }
}

/** Reads stdout to its end; resolves with the address that opencode names, or never. */
function listeningUrl(process: LaunchedProcess): Promise<string> {
  const splitter = createLineSplitter(MAX_LINE_LENGTH)
  return new Promise((resolve) => {
    process.stdout.on('error', () => undefined) // told by `exited`
    process.stdout.on('data', (chunk: Buffer) => {
      for (const line of splitter.push(chunk)) {
        const url = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(line.text)?.[1]
        if (url !== undefined) resolve(url)
      }
    })
  })
}

/** A port of the loopback that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = address !== null && typeof address === 'object' ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
