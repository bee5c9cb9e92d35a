/** The client against a scripted service, with deadlines that a test can wait for. */
import { afterEach } from 'vitest'
import { createSandboxClient, type SandboxClientOptions } from '../../adapters/workspace-sandbox/client.ts'
import type { FakeSandbox } from './sandbox-faulty-overlay.ts'
import { type FaultyServer, type Routes, startFaultyServer } from './sandbox-faulty-server.ts'
import { isGit, readTree } from './sandbox-project.ts'

export const APPROVE = 'POST /api/v1/sandboxes/s1/approve'
export const GET = 'GET /api/v1/sandboxes/s1'
export const DIFF = 'GET /api/v1/sandboxes/s1/diff'
export const LIMITS = { shortMs: 5000, longMs: 5000, settleMs: 500 }

const servers: FaultyServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})

/** An untrusted client, and the server it speaks to until the test ends. */
export async function serve(routes: Routes, options: Partial<SandboxClientOptions> = {}) {
  const server = await startFaultyServer(routes)
  servers.push(server)
  const client = createSandboxClient({
    baseUrl: () => server.url,
    token: () => null,
    owner: 'agent-manager:me',
    path: process.env['PATH'] ?? '',
    limits: LIMITS,
    ...options,
  })
  return { server, client }
}

export const landing = (box: FakeSandbox) => ({
  actor: 'me',
  expected: box.expected,
  projectRoot: box.projectRoot,
})
export const projectOf = (box: FakeSandbox) => readTree(box.projectRoot, isGit)
export const approvals = (server: FaultyServer) => server.asked().filter((each) => each === APPROVE).length
