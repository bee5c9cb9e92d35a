/** A server on the overlay driver for a test file, and short words for what its tests do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readlink } from 'node:fs/promises'
import { afterAll, beforeAll, expect } from 'vitest'
import { isGit, readTree } from './sandbox-project.ts'
import { mountsBelow, type SandboxServer, startSandboxServer, whyNoOverlay } from './sandbox-server.ts'

export const ROUTE = '/api/v1/sandboxes'
export const ALL = { mode: 'all', overrideAcceptance: true }

/** Why the tests of this file cannot run here, or null; printed once. */
export async function overlayProblem(): Promise<string | null> {
  const problem = await whyNoOverlay()
  if (problem !== null) process.stdout.write(`not tested on overlays: ${problem}\n`)
  return problem
}

const children: ChildProcess[] = []
const servers: SandboxServer[] = []

/** Stopped after the file's tests, whatever becomes of them. */
export async function startOverlayServer(driver = 'overlay'): Promise<SandboxServer> {
  const server = await startSandboxServer({ SANDBOX_DRIVER: driver })
  servers.push(server)
  return server
}

/** To be called in a describe block: one server for its tests. */
export function overlaySuite() {
  let server: SandboxServer
  beforeAll(async () => {
    server = await startOverlayServer()
  }, 30_000)
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    for (const each of servers.toReversed()) {
      await each.stop()
      expect(await mountsBelow(each.baseDir)).toEqual([])
    }
  })
  const act = (id: string, what: string, body?: unknown) =>
    server.call('POST', `${ROUTE}/${id}/${what}`, body)
  return {
    server: () => server,
    act,
    get: async (id: string) => (await server.call('GET', `${ROUTE}/${id}`)).json,
    create: async (projectRoot: string) => {
      const answer = await server.call('POST', ROUTE, { projectRoot, noLock: true })
      expect(answer.status, answer.text).toBe(201)
      expect(answer.json.driver).toBe('overlayfs')
      return { id: answer.json.id as string, dir: answer.json.mergedDir as string }
    },
    /** The diff in words: `added a.txt`. */
    changed: async (id: string): Promise<string[]> => {
      const answer = await server.call('GET', `${ROUTE}/${id}/diff`)
      expect(answer.status, answer.text).toBe(200)
      return answer.json.files.map((file: { changeType: string; filePath: string }) =>
        [file.changeType, file.filePath].join(' '),
      )
    },
    /** Lands everything; then project and workspace hold the same. */
    approveAll: async (id: string, dir: string, root: string): Promise<void> => {
      const answer = await act(id, 'approve', ALL)
      expect(answer.json, answer.text).toMatchObject({ success: true, remaining: 0 })
      expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
    },
  }
}

/** A process that stands in a folder until it is ended. */
export async function standIn(folder: string): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], { cwd: folder, stdio: 'ignore' })
  children.push(child)
  await expect.poll(() => readlink(`/proc/${child.pid}/cwd`).catch(() => '')).toBe(folder)
  return child
}

/** A process with copies of all mounts in a name space of its own, as the agent of another sandbox has them. */
export async function standApart(folder: string): Promise<ChildProcess> {
  const args = ['--mount', '--propagation', 'private', '--', 'sleep', '60']
  const child = spawn('unshare', args, { cwd: folder, stdio: 'ignore' })
  children.push(child)
  const own = await readlink('/proc/self/ns/mnt')
  await expect
    .poll(async () => {
      const program = await readlink(`/proc/${child.pid}/exe`).catch(() => '')
      const space = await readlink(`/proc/${child.pid}/ns/mnt`).catch(() => own)
      return space !== own && !program.endsWith('unshare')
    })
    .toBe(true)
  return child
}

export async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.on('exit', resolve))
  child.kill('SIGKILL')
  await ended
}
