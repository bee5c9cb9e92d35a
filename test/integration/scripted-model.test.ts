import { spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { createParser } from 'eventsource-parser'
import { describe, expect, it, onTestFinished } from 'vitest'
import { checkScenario } from '../../cmd/scripted-model/scenario.ts'
import { type ScriptedCall, startScriptedModel } from '../../cmd/scripted-model/server.ts'

const ROOT = join(import.meta.dirname, '../..')

async function play(
  steps: object[],
  onCall: (call: ScriptedCall) => void = () => undefined,
): Promise<string> {
  const model = await startScriptedModel({ scenario: checkScenario({ name: 't', steps }, 't'), onCall })
  onTestFinished(() => model.close())
  return model.url
}

const post = (url: string, body: object): Promise<Response> =>
  fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { authorization: 'Bearer k' } })

/** The members of all dialects' events that the tests look at. */
interface Said {
  readonly type?: string
  readonly done?: boolean
  readonly usage?: unknown
  readonly choices?: readonly { readonly delta: ChatDelta }[]
  readonly delta?: { readonly partial_json?: string }
  readonly response?: { readonly output: unknown }
}
interface ChatDelta {
  readonly content?: string
  readonly reasoning_content?: string
  readonly tool_calls?: readonly { readonly function: unknown }[]
}

/** The parsed data of a finished event stream. */
async function eventsOf(response: Response): Promise<Said[]> {
  const events: Said[] = []
  const parser = createParser({
    onEvent: ({ data }) => events.push(data === '[DONE]' ? { done: true } : JSON.parse(data)),
  })
  parser.feed(await response.text())
  return events
}

const STEP = {
  thinking: 'hm',
  text: 'I write.',
  tool_calls: [{ tool: 'write', path: 'a.txt', content: 'x' }],
  usage: { input: 10, cache_read: 5, output: 3, thinking: 2 },
}

describe('the three dialects', () => {
  it('streams chat completions', async () => {
    const calls: ScriptedCall[] = []
    const url = await play([STEP, { text: 'Done.' }], (call) => calls.push(call))
    const tools = [{ type: 'function', function: { name: 'write' } }]
    const system = { role: 'system', content: 'Working directory: /w' }

    const events = await eventsOf(
      await post(`${url}/v1/chat/completions`, { model: 'm', stream: true, tools, messages: [system] }),
    )
    const second = await post(`${url}/v1/chat/completions`, {
      model: 'm',
      tools,
      messages: [system, { role: 'assistant', content: null }, { role: 'tool', content: 'ok' }],
    })

    const deltas = events.flatMap((event) => event.choices?.map((choice) => choice.delta) ?? [])
    expect(deltas.map((delta) => delta.reasoning_content ?? '').join('')).toBe('hm')
    expect(deltas.map((delta) => delta.content ?? '').join('')).toBe('I write.')
    expect(deltas.find((delta) => delta.tool_calls)?.tool_calls?.[0]?.function).toEqual({
      name: 'write',
      arguments: '{"filePath":"/w/a.txt","content":"x"}',
    })
    expect(events.find((event) => event.usage)?.usage).toMatchObject({
      prompt_tokens: 15,
      completion_tokens: 5,
    })
    expect(events.at(-1)).toEqual({ done: true })
    expect(await second.json()).toMatchObject({
      choices: [{ message: { content: 'Done.' }, finish_reason: 'stop' }],
    })
    expect(calls.map((call) => [call.step, call.authorization])).toEqual([
      [0, 'Bearer k'],
      [1, 'Bearer k'],
    ])
  })

  it('streams messages', async () => {
    const url = await play([STEP])

    const events = await eventsOf(
      await post(`${url}/v1/messages?beta=true`, {
        model: 'm',
        stream: true,
        system: [{ type: 'text', text: 'Primary working directory: /w\nmore' }],
        tools: [{ name: 'Write' }],
        messages: [{ role: 'user', content: 'go' }],
      }),
    )

    expect(events.map((event) => event.type)).toEqual([
      'message_start',
      ...['content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_stop'],
      ...['content_block_start', 'content_block_delta', 'content_block_stop'],
      ...['content_block_start', 'content_block_delta', 'content_block_stop'],
      'message_delta',
      'message_stop',
    ])
    expect(events.map((event) => event.delta?.partial_json).find(Boolean)).toBe(
      '{"file_path":"/w/a.txt","content":"x"}',
    )
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 5 } })
    expect(await (await post(`${url}/v1/messages/count_tokens`, {})).json()).toEqual({ input_tokens: 600 })
  })

  it('streams responses, and counts what was said by runs of items', async () => {
    const url = await play([STEP, { text: 'Done.' }])
    const tools = [{ type: 'custom', name: 'apply_patch' }]
    const ask = { model: 'm', stream: true, instructions: '', tools }

    const first = await eventsOf(await post(`${url}/v1/responses`, { ...ask, input: 'go' }))
    const second = await eventsOf(
      await post(`${url}/v1/responses`, {
        ...ask,
        input: [
          { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'go' }] },
          { type: 'reasoning' },
          { type: 'message', role: 'assistant', content: [] },
          { type: 'custom_tool_call' },
          { type: 'custom_tool_call_output' },
        ],
      }),
    )

    expect(first.at(0)).toMatchObject({ type: 'response.created' })
    expect(first.at(-1)).toMatchObject({
      type: 'response.completed',
      response: {
        output: [
          { type: 'reasoning' },
          { type: 'message' },
          {
            type: 'custom_tool_call',
            name: 'apply_patch',
            input: expect.stringContaining('*** Add File: a.txt'),
          },
        ],
        usage: { input_tokens: 15, output_tokens: 5 },
      },
    })
    expect(second.at(-1)?.response?.output).toMatchObject([{ content: [{ text: 'Done.' }] }])
  })
})

describe('what goes wrong on purpose', () => {
  const ask = { model: 'm', stream: true, tools: [{ function: { name: 'write' } }], messages: [] }

  it('answers with the scripted error', async () => {
    const url = await play([
      { error: { status: 429, message: 'slow down', retry_after: 3, headers: { 'x-limit': 'a' } } },
    ])

    const response = await post(`${url}/v1/chat/completions`, ask)

    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '3'])
    expect(response.headers.get('x-limit')).toBe('a')
    expect(await response.json()).toMatchObject({ error: { message: 'slow down' } })
  })

  it.each([true, false])('cuts the answer, streamed (%s) or not', async (stream) => {
    const url = await play([{ text: 'A long sentence that is not finished.', cut: true }])

    const response = await post(`${url}/v1/chat/completions`, { ...ask, stream })

    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })

  it('hangs until the caller or the server goes away', async () => {
    const url = await play([{ hang: true }])

    await expect(
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify(ask),
        signal: AbortSignal.timeout(200),
      }),
    ).rejects.toThrow(/timeout/i)
  })

  it('refuses unknown routes and malformed bodies', async () => {
    const url = await play([{ text: 'x' }])

    expect((await post(`${url}/v1/unknown`, {})).status).toBe(404)
    expect((await post(`${url}/v1/chat/completions`, { model: 3 })).status).toBe(400)
    expect((await fetch(`${url}/v1/models`)).status).toBe(200)
  })
})

describe('the program', () => {
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, ['cmd/scripted-model/main.ts', ...args], {
      cwd: ROOT,
      stdio: 'pipe',
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  it('says where it listens, and ends on SIGTERM', async () => {
    const child = start('--scenario', 'cmd/scripted-model/scenarios/demo.json')
    const line: string = await new Promise((resolve) => createInterface(child.stdout).once('line', resolve))
    const said = JSON.parse(line) as { event: string; pid: number; url: string }

    expect(said).toEqual({ event: 'listening', pid: child.pid, url: expect.stringMatching(/^http:\/\/127/) })
    expect((await fetch(`${said.url}/v1/models`)).ok).toBe(true)
    child.kill('SIGTERM')
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
  })

  it.each([[[]], [['--scenario', 'package.json']], [['--scenario', 'x', '--port', '99999']]])(
    'refuses %j with exit 64',
    async (args) => {
      const child = start(...args)

      expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(64)
    },
  )
})
