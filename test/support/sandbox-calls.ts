/** Calls that the tests of diffs and landings share. */
import { expect } from 'vitest'
import type { SandboxServer } from './sandbox-server.ts'

export const callsOf = (server: () => SandboxServer) => {
  async function create(projectRoot: string, more: object = {}) {
    const answer = await server().call('POST', '/api/v1/sandboxes', { projectRoot, noLock: true, ...more })
    expect(answer.status, answer.text).toBe(201)
    return { id: answer.json.id as string, dir: answer.json.mergedDir as string }
  }

  const diffOf = async (id: string) => {
    const answer = await server().call('GET', `/api/v1/sandboxes/${id}/diff`)
    expect(answer.status, answer.text).toBe(200)
    return answer.json
  }

  const approve = (id: string, body: object = { mode: 'all', overrideAcceptance: true }) =>
    server().call('POST', `/api/v1/sandboxes/${id}/approve`, body)

  const pathsOf = (diff: { files: { filePath: string; changeType: string }[] }) =>
    diff.files.map((file) => `${file.changeType} ${file.filePath}`)

  return { create, diffOf, approve, pathsOf }
}
