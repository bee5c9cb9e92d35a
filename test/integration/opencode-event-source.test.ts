import { createServer, type ServerResponse } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { openEventSource } from '../../adapters/runners/opencode/event-source.ts'
import { createOpencodeClient } from '../../adapters/runners/opencode/http.ts'

const SESSION = 'ses_1'
const STORED = [
  {
    info: { id: 'msg_1', sessionID: SESSION, role: 'assistant' },
    parts: [{ id: 'prt_1', messageID: 'msg_1', sessionID: SESSION, type: 'text', text: 'missed' }],
  },
]

/** A server with opencode's routes for reading; `stream` plays the n-th event stream. */
async function serve(stream: (response: ServerResponse, connection: number) => void) {
  let connections = 0
  const answers: Record<string, unknown> = {
    '/session/status': {},
    [`/session/${SESSION}/message`]: STORED,
    '/permission': [{ id: 'per_1', sessionID: SESSION, permission: 'bash' }],
    '/question': [],
  }
  const server = createServer((request, response) => {
    if (request.url !== '/event') return response.end(JSON.stringify(answers[request.url!]))
    connections += 1
    return stream(response, connections)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' ? address!.port : 0
  return {
    server,
    client: createOpencodeClient({ url: `http://127.0.0.1:${port}`, password: 'x', directory: '/' }),
  }
}

const say = (response: ServerResponse, type: string): void => {
  response.write(`data: ${JSON.stringify({ type, properties: {} })}\n\n`)
}

it('reconnects when the stream drops, and tells what was missed', async () => {
  const { client } = await serve((response, connection) => {
    say(response, 'server.connected')
    say(response, `said.${connection}`)
    if (connection === 1) setImmediate(() => response.destroy())
  })

  const source = await openEventSource(client, SESSION)
  const types: string[] = []
  while (types.at(-1) !== 'said.2') types.push((await source.next())!.event.type)
  await source.close()

  expect(types).toEqual([
    'said.1',
    'message.updated',
    'message.part.updated',
    'permission.asked',
    'session.idle',
    'said.2',
  ])
  expect(await source.next()).toBeNull()
})

it('gives up when the server is gone', async () => {
  const { client, server } = await serve((response) => say(response, 'server.connected'))
  const source = await openEventSource(client, SESSION)

  const next = source.next()
  server.closeAllConnections()
  server.close()

  await expect(next).rejects.toThrow('the event stream of opencode was lost')
})

it('ends a read that is under way when it is closed', async () => {
  const { client } = await serve((response) => say(response, 'server.connected'))
  const source = await openEventSource(client, SESSION)

  const next = source.next()
  await source.close()

  expect(await next).toBeNull()
})
