/** A scripted HTTP server that plays a workspace-sandbox with faults: each route answers what the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  readonly method: string
  /** With its query. */
  readonly path: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read request JSON field by field
  readonly body: any
}

/** Writes the answer; called with how often this route was asked before. */
export type Script = (response: ServerResponse, seen: Seen, times: number) => void

export type Routes = Record<string, Script>

export interface FaultyServer {
  readonly url: string
  readonly seen: Seen[]
  /** `METHOD /path` of every request so far, without queries. */
  asked(): string[]
  stop(): Promise<void>
}

/** @param routes `METHOD /path` to script; everything else is the real service's 404 in plain words */
export async function startFaultyServer(routes: Routes): Promise<FaultyServer> {
  const seen: Seen[] = []
  const asked = () => seen.map(nameOf)
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const one = { method: request.method ?? '', path: request.url ?? '', body }
        const name = nameOf(one)
        const times = asked().filter((each) => each === name).length
        seen.push(one)
        const script = routes[name] ?? plain(404, '404 page not found')
        script(response, one, times)
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const nameOf = ({ method, path }: Seen): string => `${method} ${path.split('?')[0]}`

export const answer =
  (status: number, body: unknown): Script =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

/** The error body of the contract. */
export const fault = (status: number, error: string, more: object = {}): Script =>
  answer(status, { error, code: status, success: false, ...more })

/** What is not JSON: unknown routes, wrong verbs, recovered panics. */
export const plain =
  (status: number, text: string): Script =>
  (response) => {
    response.writeHead(status, { 'content-type': 'text/plain' }).end(text)
  }

/** Takes the request and breaks the connection. */
export const cut: Script = (response) => {
  response.destroy()
}

/** Never a word. */
export const silent: Script = () => undefined

/** A body that never ends, one byte at a time. */
export const trickle =
  (everyMs: number): Script =>
  (response) => {
    const timer = setInterval(() => response.write('{'), everyMs)
    response.on('close', () => clearInterval(timer))
  }

/** A body that never ends, as fast as it is read. */
export const flood: Script = (response) => {
  const more = () => {
    while (response.writable && response.write(Buffer.alloc(1024 * 1024, 'x')));
  }
  response.on('drain', more).on('error', () => {})
  more()
}

/** One script after the other; the last one stays. */
export const inTurn =
  (...scripts: Script[]): Script =>
  (response, seen, times) =>
    scripts[Math.min(times, scripts.length - 1)]!(response, seen, times)

/** Something happens, then the answer is given. */
export const doing =
  (effect: () => void | Promise<void>, script: Script): Script =>
  (response, seen, times) => {
    Promise.resolve(effect()).then(
      () => script(response, seen, times),
      () => response.destroy(),
    )
  }

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return text === '' ? null : JSON.parse(text)
}
