/** An overlay mounted, unmounted, lost and found. */
import { execFile } from 'node:child_process'
import { lstat, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  ALL,
  end,
  overlayProblem,
  overlaySuite,
  ROUTE,
  standApart,
  standIn,
  startOverlayServer,
} from '../support/sandbox-overlay.ts'
import { makeFolder, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import {
  endChild,
  launchSandbox,
  mountsBelow,
  type SandboxServer,
  unmountBelow,
} from '../support/sandbox-server.ts'

const problem = await overlayProblem()

describe.skipIf(problem !== null)('mounts', () => {
  const { server, act, get, create, changed } = overlaySuite()

  it('stops by taking the mount away, and starts with all that was changed', async () => {
    const root = await makeProject()
    const { id, dir } = await create(root)
    await writeFiles(dir, { 'src/app.txt': 'agent\n', 'new.txt': 'n\n' })
    await rm(join(dir, 'README.md'))
    const tree = await readTree(dir)

    expect((await act(id, 'stop')).json).toMatchObject({ status: 'stopped' })
    expect(await readdir(dir)).toEqual([])
    expect(await changed(id)).toEqual(['deleted README.md', 'added new.txt', 'modified src/app.txt'])
    expect((await act(id, 'discard', { filePaths: ['new.txt', 'README.md'] })).json).toMatchObject({
      discarded: 2,
      remaining: 1,
    })
    expect((await act(id, 'start')).json).toMatchObject({ status: 'active' })

    expect(await get(id)).toMatchObject({ mountHealth: { healthy: true } })
    expect(await changed(id)).toEqual(['modified src/app.txt'])
    expect((await readTree(dir))['src/app.txt']).toBe(tree['src/app.txt'])
  })

  it('does not mount a second time while somebody is left in the stopped workspace', async () => {
    const { id, dir } = await create(await makeProject())
    const child = await standIn(dir)
    expect((await act(id, 'stop')).status).toBe(200)

    const refused = await act(id, 'start')

    expect(refused).toMatchObject({
      status: 409,
      json: { error: expect.stringContaining(String(child.pid)) },
    })
    await end(child)
    expect((await act(id, 'start')).status).toBe(200)
  })

  it('goes on while the agent of another sandbox has a copy of the mount, and not while somebody stands in one', async () => {
    const { id, dir } = await create(await makeProject())
    const elsewhere = await standApart('/')
    expect((await act(id, 'stop')).status).toBe(200)
    expect((await act(id, 'start')).status).toBe(200)
    await end(elsewhere)

    const inside = await standApart(dir)
    expect((await act(id, 'stop')).status).toBe(200)
    expect(await act(id, 'start')).toMatchObject({
      status: 409,
      json: { error: expect.stringContaining(String(inside.pid)) },
    })
    await end(inside)
    expect((await act(id, 'start')).status).toBe(200)
  })

  it('reports a lost mount and heals it at the next start', async () => {
    const { id, dir } = await create(await makeProject())
    await writeFile(join(dir, 'new.txt'), 'n\n')
    await unmountBelow(join(server().baseDir, id))

    expect(await get(id)).toMatchObject({ status: 'active', mountHealth: { healthy: false } })
    expect(await changed(id)).toEqual(['added new.txt'])
    expect((await act(id, 'start')).status).toBe(200)

    expect(await get(id)).toMatchObject({ mountHealth: { healthy: true } })
    expect(await readFile(join(dir, 'new.txt'), 'utf8')).toBe('n\n')
  })

  it('finds its mounts again after a kill, makes the lost ones, and removes those of nobody', async () => {
    const [kept, lost, stopped, deleted] = await Promise.all(
      Array.from({ length: 4 }, async () => create(await makeProject())),
    )
    for (const each of [kept, lost, stopped, deleted]) await writeFile(join(each!.dir, 'new.txt'), 'n\n')
    await server().crash()
    await unmountBelow(join(server().baseDir, lost!.id))
    const edit = async (id: string, fields: object) => {
      const file = join(server().baseDir, 'rows', `${id}.json`)
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...fields }))
    }
    await edit(stopped!.id, { status: 'stopped' })
    await edit(deleted!.id, { status: 'deleted' })

    await server().restart()

    for (const each of [kept, lost]) {
      expect(await get(each!.id)).toMatchObject({ status: 'active', mountHealth: { healthy: true } })
      expect(await changed(each!.id)).toEqual(['added new.txt'])
    }
    expect(await mountsBelow(join(server().baseDir, stopped!.id))).toEqual([])
    expect(await changed(stopped!.id)).toEqual(['added new.txt'])
    await expect.poll(() => readdir(server().baseDir)).not.toContain(deleted!.id)
    expect(await mountsBelow(server().baseDir)).not.toContain(deleted!.dir)
  })

  it('reads a base that a kill cut short, and never takes what others changed since for it', async () => {
    const root = await makeProject({ 'a.txt': 'a\n', 'b.txt': 'b\n', 'c.txt': 'c\n' })
    const { id, dir } = await create(root)
    await writeFiles(dir, { 'a.txt': 'agent\n', 'b.txt': 'agent\n', 'c.txt': 'agent\n', 'd.txt': 'agent\n' })
    await server().crash()
    const file = join(server().baseDir, 'rows', `${id}.json`)
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), baseTree: null }))
    await writeFiles(root, { 'b.txt': 'a person\n', 'd.txt': 'a person\n' })
    await rm(join(root, 'c.txt'))

    await server().restart()

    expect(await changed(id)).toEqual(['modified a.txt', 'modified b.txt', 'modified c.txt', 'added d.txt'])
    const refused = (await act(id, 'approve', ALL)).json
    expect(refused).toMatchObject({ success: false, applied: 0 })
    expect(refused.conflictInfo.conflictingFiles).toEqual(['b.txt', 'c.txt', 'd.txt'])
    expect(await readFile(join(root, 'a.txt'), 'utf8')).toBe('a\n')
  })

  it('is chosen where it works, and refuses to be replaced when it was asked for', async () => {
    const bin = await makeFolder()
    const { stdout } = await promisify(execFile)('which', ['git'])
    await symlink(stdout.trim(), join(bin, 'git'))
    const env = { PATH: bin, PORT: '0', SANDBOX_BASE_DIR: join(bin, 'base') }

    await expect(launchSandbox({ ...env, SANDBOX_DRIVER: 'overlay' })).rejects.toThrow(
      /exit 69: .*SANDBOX_DRIVER=overlay does not work here .*could not be started/,
    )
    const without = await launchSandbox({ ...env, SANDBOX_DRIVER: '' })
    expect(without.driver).toBe('copy')
    await endChild(without.child, 'SIGTERM')
    const chosen = await launchSandbox({ ...env, PATH: process.env['PATH'] ?? '', SANDBOX_DRIVER: '' })
    expect(chosen.driver).toBe('overlay')
    await endChild(chosen.child, 'SIGTERM')
  })

  it('copies a project no overlay can lie over, unless overlays were asked for', async () => {
    const auto = await startOverlayServer('')
    const makeIn = async (own: SandboxServer, projectRoot: string) => {
      const answer = await own.call('POST', ROUTE, { projectRoot, noLock: true })
      return { ...answer, id: answer.json.id as string, dir: answer.json.mergedDir as string }
    }
    // Overlays over overlays: the kernel allows two.
    const one = await makeIn(auto, await makeProject())
    const two = await makeIn(auto, one.dir)
    const three = await makeIn(auto, two.dir)
    expect([one, two, three].map((each) => each.json.driver)).toEqual(['overlayfs', 'overlayfs', 'copy'])
    await writeFile(join(three.dir, 'new.txt'), 'n\n')
    await auto.halt()
    await auto.restart()
    expect((await auto.call('GET', `${ROUTE}/${three.id}/diff`)).json.files).toHaveLength(1)
    expect((await auto.call('POST', `${ROUTE}/${three.id}/approve`, ALL)).json).toMatchObject({ applied: 1 })
    expect((await auto.call('GET', `${ROUTE}/${two.id}/diff`)).json.files).toHaveLength(1)

    expect(await makeIn(server(), two.dir)).toMatchObject({ status: 500, json: { retryable: true } })
    for (const each of [three, two, one]) await auto.call('DELETE', `${ROUTE}/${each.id}`)
    await auto.stop()
  })

  it('leaves nothing mounted when it is asked to end, but for a workspace somebody stands in', async () => {
    const own = await startOverlayServer()
    const answers = await Promise.all(
      [await makeProject(), await makeProject()].map((root) =>
        own.call('POST', ROUTE, { projectRoot: root }),
      ),
    )
    const [used, idle] = answers.map((answer) => answer.json.mergedDir as string)
    const child = await standIn(used!)
    await own.halt()
    expect(await mountsBelow(own.baseDir)).toEqual([used])
    expect(await readdir(idle!)).toEqual([])

    await own.restart()
    expect((await stat(join(idle!, 'README.md'))).isFile()).toBe(true)
    await end(child)
    await own.stop()
    await expect(lstat(own.baseDir)).rejects.toThrow('ENOENT')
  })
})
