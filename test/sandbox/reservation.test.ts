import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { makeFolder, makeProject } from '../support/sandbox-project.ts'
import { ALL, checklist } from './checklist.ts'

checklist('reservation', (on) => {
  const locked = { noLock: false }

  on.item('C', 10, 'refuses an overlap and names the other sandbox', async () => {
    const root = await makeProject({ 'src/deep/x': '1' })
    const { id } = await on.create(root, { ...locked, scopePath: 'src' })
    const cases = [
      ['src/deep', 'existing_contains_new'],
      ['', 'new_contains_existing'],
      ['src', 'exact'],
    ] as const
    for (const [scopePath, conflictType] of cases) {
      const answer = await on.tryCreate({ projectRoot: root, scopePath })
      expect(answer.status, scopePath).toBe(409)
      expect(answer.json).toMatchObject({ code: 409, success: false, hint: expect.any(String) })
      expect(answer.json.details.conflicts[0]).toEqual({
        sandboxId: id,
        scope: join(root, 'src'),
        conflictType,
      })
    }
  })

  on.item('C', 11, 'lets a sandbox without a lock in', async () => {
    const root = await makeProject()
    await on.create(root, locked)
    const { json } = await on.create(root, { noLock: true })
    expect(json).toMatchObject({ noLock: true, reservedPath: '' })
    expect(json).not.toHaveProperty('reservedPaths')
  })

  on.item('C', 12, 'holds only what is reserved, which must lie in the scope', async () => {
    const root = await makeProject()
    await on.create(root, { ...locked, scopePath: 'src' })
    await on.create(root, { ...locked, scopePath: '', reservedPaths: ['docs'] })
    const outside = await on.tryCreate({ projectRoot: root, scopePath: 'src', reservedPaths: ['docs'] })
    expect(outside.status).toBe(400)
  })

  on.item('C', 13, 'is free again after a stop or an approval', async () => {
    const root = await makeProject()
    const stopped = await on.create(root, locked)
    await on.act(stopped.id, 'stop')
    const second = await on.create(root, locked)
    await on.file('PUT', second.id, 'new.txt', { content: '1' })
    expect((await on.approve(second.id, ALL)).json).toMatchObject({ success: true, applied: 1 })
    await on.create(root, locked)
  })

  on.item('I', 13, 'is asked for again at a start', async () => {
    const root = await makeProject()
    const first = await on.create(root, locked)
    await on.act(first.id, 'stop')
    const second = await on.create(root, locked)
    const refused = await on.act(first.id, 'start')
    expect(refused.status).toBe(409)
    expect(refused.json.details.conflicts[0]).toMatchObject({ sandboxId: second.id, conflictType: 'exact' })
    await on.act(second.id, 'stop')
    expect((await on.act(first.id, 'start')).json.status).toBe('active')
  })

  on.item('I', 14, 'does not take a similar name for an overlap', async () => {
    const root = await makeProject({ 'axb/c/x': '1', 'a_b/x': '1', 'a%/x': '1', 'srcs/x': '1' })
    await on.create(root, { ...locked, scopePath: 'axb/c' })
    await on.create(root, { ...locked, scopePath: 'src' })
    for (const scopePath of ['a_b', 'a%', 'srcs']) await on.create(root, { ...locked, scopePath })
  })

  on.item('I', 14, 'sees through other spellings of the project', async () => {
    const root = await makeProject()
    const alias = join(await makeFolder(), 'alias')
    await symlink(root, alias)
    await on.create(root, { ...locked, scopePath: 'src' })
    for (const projectRoot of [`${root}/`, alias, `${root}/docs/..`]) {
      const answer = await on.tryCreate({ projectRoot, scopePath: 'src' })
      expect(answer.status, projectRoot).toBe(409)
      expect(answer.json.details.conflicts[0].conflictType).toBe('exact')
    }
    expect((await on.tryCreate({ projectRoot: join(root, 'src') })).status, 'nested root').toBe(409)
  })
})
