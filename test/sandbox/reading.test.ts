import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { makeProject } from '../support/sandbox-project.ts'
import { checklist, ROUTE } from './checklist.ts'

checklist('reading', (on) => {
  on.item('C', 15, 'tells unknown ids from malformed ones', async () => {
    const unknown = await on.get('0c7d8f1e-0000-4000-8000-000000000000')
    expect(unknown.status).toBe(404)
    expect(unknown.json).toMatchObject({ code: 404, success: false, hint: expect.any(String) })
    const malformed = await on.get('nonsense')
    expect(malformed.status).toBe(400)
    expect(malformed.json).toMatchObject({ error: 'invalid sandbox ID', code: 400 })
  })

  on.item('C', 16, 'tells whether the workspace of an active sandbox is healthy', async () => {
    const { id, dir } = await on.create(await makeProject())
    expect((await on.get(id)).json.mountHealth).toMatchObject({ healthy: true, verified: true })
    await takeAway(dir)
    const broken = (await on.get(id)).json
    expect(broken.status).toBe('active')
    expect(broken.mountHealth).toMatchObject({ healthy: false, error: expect.any(String) })
    expect((await on.act(id, 'stop')).json).not.toHaveProperty('mountHealth')
    expect((await on.get(id)).json).not.toHaveProperty('mountHealth')
  })

  on.item('I', 17, 'keeps the base commit, in the list too', async () => {
    const root = await makeProject()
    const { id, json } = await on.create(root)
    expect(json.baseCommitHash).toMatch(/^[0-9a-f]{40}$/)
    expect((await on.get(id)).json.baseCommitHash).toBe(json.baseCommitHash)
    const listed = (await on.call('GET', `${ROUTE}?projectRoot=${root}`)).json.sandboxes[0]
    expect(listed.baseCommitHash).toBe(json.baseCommitHash)
  })

  on.item('C', 18, 'lists newest first, with filters, pages and deleted rows', async () => {
    const root = await makeProject()
    const first = await on.create(root, { owner: 'one' })
    const second = await on.create(root, { owner: 'two', scopePath: 'src' })
    await on.remove(first.id)
    const list = async (query: string) =>
      (await on.call('GET', `${ROUTE}?projectRoot=${encodeURIComponent(root)}${query}`)).json

    expect(await list('')).toMatchObject({
      totalCount: 2,
      limit: 100,
      offset: 0,
      sandboxes: [
        { id: second.id, status: 'active' },
        { id: first.id, status: 'deleted' },
      ],
    })
    expect(await list('&status=deleted')).toMatchObject({ totalCount: 1, sandboxes: [{ id: first.id }] })
    expect(await list('&owner=two')).toMatchObject({ totalCount: 1, sandboxes: [{ id: second.id }] })
    expect(await list(`&scopePath=${root}/src`)).toMatchObject({
      totalCount: 1,
      sandboxes: [{ id: second.id }],
    })
    expect(await list('&status=deleted&status=active&limit=1&offset=1')).toMatchObject({
      totalCount: 2,
      limit: 1,
      offset: 1,
      sandboxes: [{ id: first.id }],
    })
    expect(await list('&limit=none&offset=-1')).toMatchObject({ limit: 100, offset: 0 })
  })

  on.item('I', 18, 'answers an unknown status, and while another create runs', async () => {
    const root = await makeProject()
    expect((await on.call('GET', `${ROUTE}?status=odd`)).status).toBeLessThan(500)
    const making = on.tryCreate({ projectRoot: root, noLock: true })
    for (let times = 0; times < 5; times += 1) {
      expect((await on.call('GET', `${ROUTE}?projectRoot=${root}`)).status).toBe(200)
    }
    expect((await making).status).toBe(201)
  })

  on.item('C', 19, 'gives the workspace of an active sandbox', async () => {
    const { id, dir } = await on.create(await makeProject())
    expect((await on.get(id, '/workspace')).json).toEqual({ path: dir })
  })

  on.item('I', 19, 'refuses the workspace of a stopped sandbox with 409', async () => {
    const { id } = await on.create(await makeProject())
    await on.act(id, 'stop')
    expect((await on.get(id, '/workspace')).status).toBe(409)
  })
})

/** Unmounts where it is a mount we can see; else the folder itself goes. */
async function takeAway(dir: string): Promise<void> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  if (mounts.includes(` ${dir} `)) await promisify(execFile)('umount', ['-l', dir])
  else await rm(dir, { recursive: true })
}
