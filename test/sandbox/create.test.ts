import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { makeProject } from '../support/sandbox-project.ts'
import { checklist, ROUTE } from './checklist.ts'

checklist('health and create', (on) => {
  on.item('C', 1, 'is healthy at both addresses', async () => {
    for (const path of ['/health', '/api/v1/health']) {
      const answer = await on.call('GET', path)
      expect(answer.status).toBe(200)
      expect(answer.json).toMatchObject({ status: 'healthy', readiness: true })
    }
  })

  on.item('C', 2, 'answers 404 to unknown routes and 405 to wrong verbs', async () => {
    expect((await on.call('GET', '/nothing')).status).toBe(404)
    expect((await on.call('PUT', ROUTE)).status).toBe(405)
  })

  on.item('C', 3, 'makes an active sandbox that shows the project', async () => {
    const root = await makeProject()

    const { json } = await on.create(root, { noLock: false, owner: 'run_1' })

    expect(json).toMatchObject({
      status: 'active',
      scopePath: root,
      projectRoot: root,
      reservedPath: root,
      reservedPaths: [root],
      owner: 'run_1',
      ownerType: 'user',
      version: 2,
      sessionCount: 0,
      baseCommitHash: expect.stringMatching(/^[0-9a-f]{40}$/),
      behavior: { acceptance: { mode: 'allowlist' } },
    })
    expect((await stat(join(json.mergedDir, 'src/app.txt'))).isFile()).toBe(true)
  })

  on.item('C', 4, 'refuses a create without a project', async () => {
    const answer = await on.tryCreate({})
    expect(answer.status).toBe(400)
    expect(answer.json).toMatchObject({ error: expect.any(String), code: 400, success: false })
  })

  on.item('C', 5, 'resolves scopes and refuses those outside of the project', async () => {
    const root = await makeProject()
    for (const scopePath of ['/etc', '../x']) {
      expect((await on.tryCreate({ projectRoot: root, scopePath })).status, scopePath).toBe(400)
    }
    const { json } = await on.create(root, { scopePath: 'src' })
    expect(json.scopePath).toBe(join(root, 'src'))
    expect((await stat(join(json.mergedDir, 'app.txt'))).isFile()).toBe(true)
  })

  on.item('C', 6, 'refuses bad JSON', async () => {
    const answer = await on.tryCreate('{"projectRoot":')
    expect(answer.status).toBe(400)
    expect(answer.json.error).toContain('invalid request body')
  })

  on.item('C', 7, 'takes durations in nanoseconds only, and no other odd behavior', async () => {
    const projectRoot = await makeProject()
    const bad = [
      { lifecycle: { ttl: '24h' } },
      { lifecycle: { ttl: -1 } },
      { acceptance: { mode: 'denylist' } },
      { acceptance: { allow: { pathGlobs: ['/src/**'] } } },
    ]
    for (const behavior of bad) {
      const answer = await on.tryCreate({ projectRoot, noLock: true, behavior })
      expect(answer.status, JSON.stringify(behavior)).toBe(400)
    }
    await on.create(projectRoot, { behavior: { lifecycle: { ttl: 86_400_000_000_000 } } })
  })

  on.item('C', 8, 'gives the same sandbox for the same key, whatever else is asked', async () => {
    const root = await makeProject()
    const idempotencyKey = `again ${root}`
    const first = await on.create(root, { idempotencyKey })
    const second = await on.create(root, { idempotencyKey, owner: 'someone else', scopePath: 'src' })
    expect(second.id).toBe(first.id)
  })

  on.item('I', 9, 'gives one sandbox to eight callers at once with one key', async () => {
    const projectRoot = await makeProject()
    const body = { projectRoot, noLock: true, idempotencyKey: `at once ${projectRoot}` }
    const answers = await Promise.all(Array.from({ length: 8 }, () => on.tryCreate(body)))
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.json.id}`)).size).toBe(1)
    expect(answers[0]!.status).toBe(201)
  })

  on.item('I', 9, 'never replays a failed or deleted sandbox for its key', async () => {
    const projectRoot = await makeProject()
    const body = { projectRoot, noLock: true, scopePath: 'later', idempotencyKey: `later ${projectRoot}` }
    expect((await on.tryCreate(body)).status).toBeGreaterThanOrEqual(400)
    await mkdir(join(projectRoot, 'later'))
    const again = await on.tryCreate(body)
    expect(again.status === 201 ? again.json.status : 'refused').toMatch(/^(active|refused)$/)

    const first = await on.create(projectRoot, { idempotencyKey: `dead ${projectRoot}` })
    await on.remove(first.id)
    const fresh = await on.create(projectRoot, { idempotencyKey: `dead ${projectRoot}` })
    expect(fresh.id).not.toBe(first.id)
  })
})
