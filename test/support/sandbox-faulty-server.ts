/** A scripted HTTP server that plays a workspace-sandbox with faults: each route answers what the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Seen {
  readonly method: string
  readonly path: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read request JSON field by field
  readonly body: any
}

/** Writes the answer; called with how often this route was asked before. */
export type Script = (response: ServerResponse, seen: Seen, times: number) => void

export interface FaultyServer {
  readonly url: string
  readonly seen: Seen[]
  stop(): Promise<void>
}

/** @param routes `METHOD /path` to script; everything else is 404 */
export async function startFaultyServer(routes: Record<string, Script>): Promise<FaultyServer> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        const one = { method: request.method ?? '', path: request.url ?? '', body }
        const name = `${one.method} ${one.path}`
        const times = seen.filter((each) => `${each.method} ${each.path}` === name).length
        seen.push(one)
        const script = routes[name]
        if (script === undefined) response.writeHead(404).end('404 page not found')
        else script(response, one, times)
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export const answer =
  (status: number, body: unknown): Script =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

/** Takes the request and breaks the connection. */
export const cut: Script = (response) => {
  response.destroy()
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return text === '' ? null : JSON.parse(text)
}
