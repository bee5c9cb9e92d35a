/** A program for tests: an MCP server over stdio with one tool, `greet`, that also says what MCP_SECRET holds. */
import process from 'node:process'
import { createInterface } from 'node:readline'

interface Call {
  readonly id?: number
  readonly method: string
  readonly params?: { readonly protocolVersion?: string; readonly arguments?: { readonly name?: string } }
}

const answer = ({ method, params }: Call): object => {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'greeter', version: '1.0.0' },
      }
    case 'tools/list':
      return {
        tools: [
          {
            name: 'greet',
            description: 'Greets somebody.',
            inputSchema: { type: 'object', properties: { name: { type: 'string' } } },
          },
        ],
      }
    case 'tools/call': {
      const text = `Hello ${params?.arguments?.name}, the secret is ${process.env['MCP_SECRET']}.`
      return { content: [{ type: 'text', text }] }
    }
    default:
      return {}
  }
}

async function serve(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const call = JSON.parse(line) as Call
    if (call.id === undefined) continue
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: call.id, result: answer(call) })}\n`)
  }
}

/** Its own file, for whoever starts it. */
export const MCP_SERVER = import.meta.filename

if (process.argv[1] === MCP_SERVER) await serve()
