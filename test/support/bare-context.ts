/**
 * Runs the client library where there is nothing but what all browsers have: a bare context with web globals, types
 * stripped, no Node module in reach. `node --experimental-vm-modules bare-context.ts <base url> <run id>` prints what a
 * watch brought as JSON.
 */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'

const [, , baseUrl, runId] = process.argv
const WEB = {
  ...{ fetch, WebSocket, AbortController, AbortSignal, ReadableStream, URL, TextDecoder, TextEncoder },
  ...{ crypto, performance, setTimeout, clearTimeout, baseUrl, runId },
}
const context = vm.createContext({ ...WEB })
const modules = new Map<string, vm.SourceTextModule>()

function load(url: string): vm.SourceTextModule {
  const known = modules.get(url)
  if (known) return known
  const source = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'))
  const loaded = new vm.SourceTextModule(source, { context, identifier: url })
  modules.set(url, loaded)
  return loaded
}

const index = new URL('../../api/client/index.ts', import.meta.url).href
const page = new vm.SourceTextModule(
  `import { createClient } from ${JSON.stringify(index)}
   const client = createClient({ baseUrl })
   export const seen = []
   for await (const event of client.runs.watch(runId)) seen.push(event.sequence)
   export const { status } = await client.runs.get(runId)`,
  { context, identifier: 'page.js' },
)
await page.link((specifier, from) =>
  load(new URL(specifier, from.identifier.startsWith('file:') ? from.identifier : index).href),
)
await page.evaluate()
const { seen, status } = page.namespace as { seen: number[]; status: string }
process.stdout.write(JSON.stringify({ seen, status }))
