/** Landing through a service that fails in every way the contract knows (section 14). */
import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  APPROVE,
  approvals,
  DIFF,
  GET,
  LIMITS,
  landing,
  projectOf,
  serve,
} from '../support/sandbox-faulty-client.ts'
import { type FakeSandbox, makeFakeSandbox } from '../support/sandbox-faulty-overlay.ts'
import {
  answer,
  cut,
  doing,
  fault,
  inTurn,
  plain,
  type Script,
  silent,
  trickle,
} from '../support/sandbox-faulty-server.ts'
import { isGit, readTree } from '../support/sandbox-project.ts'

const success = { success: true, applied: 3, failed: 0, remaining: 0, isPartial: false }

describe('an approve whose answer is lost', () => {
  it('says so when nothing had landed, and lands once when it is asked again', async () => {
    const box = await makeFakeSandbox()
    const before = await projectOf(box)
    const healthy = box.routes()[APPROVE]!
    const { server, client } = await serve(box.routes({ [APPROVE]: inTurn(cut, healthy) }))

    await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('broke off POST'),
    })
    expect(await projectOf(box)).toEqual(before)
    expect(approvals(server)).toBe(1)

    expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
    expect(await projectOf(box)).toEqual(await readTree(box.mergedDir, isGit))
    expect(approvals(server)).toBe(2)
    expect(server.seen.at(-1)?.body).toEqual({
      mode: 'files',
      fileIds: ['f1', 'f2', 'f3'],
      overrideAcceptance: true,
      actor: 'me',
      createCommit: false,
    })
  })

  it('finds the changes landed, whether the service wrote that down or not', async () => {
    for (const status of ['approved', 'active']) {
      const box = await makeFakeSandbox()
      const effect = async () => {
        await box.land()
        box.status = status
        if (status === 'active') box.diffFiles = []
      }
      const { server, client } = await serve(box.routes({ [APPROVE]: doing(effect, cut) }))

      expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
      expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
      expect(approvals(server)).toBe(1)
    }
  })

  it('waits for a service that works on after its own cut at 30 s', async () => {
    const box = await makeFakeSandbox()
    const late: Script = () => {
      setTimeout(() => void box.land().then(() => (box.status = 'approved')), 500)
    }
    const limits = { ...LIMITS, longMs: 250, settleMs: 5000 }
    const { server, client } = await serve(box.routes({ [APPROVE]: late }), { limits })

    expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
    expect(approvals(server)).toBe(1)
  })

  it('ends at its deadline when the service is silent, sends one byte at a time, or is gone meanwhile', async () => {
    const limits = { ...LIMITS, longMs: 300, settleMs: 100 }
    for (const script of [silent, trickle(20)]) {
      const box = await makeFakeSandbox()
      const { server, client } = await serve(
        box.routes({ [APPROVE]: script, [GET]: inTurn(box.routes()[GET]!, cut) }),
        {
          limits,
        },
      )
      const startedAt = performance.now()

      await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({
        code: 'SANDBOX_OPERATION',
        message: expect.stringContaining('300 ms'),
      })
      expect(performance.now() - startedAt).toBeLessThan(4000)
      expect(approvals(server)).toBe(1)
    }
  })

  it('names what landed and what did not when it landed in part, and never lands over it', async () => {
    const box = await makeFakeSandbox()
    const effect = () => box.land(['README.md'])
    const { server, client } = await serve(box.routes({ [APPROVE]: doing(effect, cut) }))

    await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringMatching(/only part.*README\.md are in.*docs\/new\.txt, src\/old\.txt are not/),
    })
    box.diffFiles = box.expected.filter(({ path }) => path !== 'README.md')
    expect(await client.applyAll('s1', landing(box))).toMatchObject({
      ok: false,
      reason: 'conflict',
      message: expect.stringContaining('holds part of the changes already: README.md'),
    })
    expect(approvals(server)).toBe(1)
  })
})

describe('an approve that is answered wrongly', () => {
  it('is not taken for a success by its status', async () => {
    const box = await makeFakeSandbox()
    const refusal = { success: false, applied: 0, failed: 3, remaining: 3, error: 'patch does not apply' }
    const { client } = await serve(box.routes({ [APPROVE]: answer(200, refusal) }))

    expect(await client.applyAll('s1', landing(box))).toEqual({
      ok: false,
      reason: 'conflict',
      message: 'patch does not apply',
      paths: [],
    })
  })

  it.each([
    ['applied nothing', { success: true, applied: 0, remaining: 3 }],
    ['applied too little', { success: true, applied: 2, remaining: 0 }],
    ['left something over', { success: true, applied: 3, remaining: 1, isPartial: true }],
    ['says no success', { applied: 3 }],
    ['is not an object', 'nonsense'],
  ])('fails when it %s', async (_what, body) => {
    const box = await makeFakeSandbox()
    const { client } = await serve(box.routes({ [APPROVE]: answer(200, body) }))

    await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
  })

  it('is a failure that names the paths when the project does not hold what was landed', async () => {
    const spoil: [string, (box: FakeSandbox) => Promise<void>][] = [
      ['README.md', (box) => writeFile(join(box.projectRoot, 'README.md'), '')],
      ['README.md', (box) => chmod(join(box.projectRoot, 'README.md'), 0o755)],
      ['src/old.txt', (box) => writeFile(join(box.projectRoot, 'src/old.txt'), 'still here\n')],
    ]
    for (const [path, harm] of spoil) {
      const box = await makeFakeSandbox()
      const effect = async () => {
        await box.land()
        await harm(box)
        box.status = 'approved'
      }
      const { server, client } = await serve(box.routes({ [APPROVE]: doing(effect, answer(200, success)) }))
      const refusal = {
        code: 'SANDBOX_OPERATION',
        extra: { paths: [path] },
        message: expect.stringContaining(path),
      }

      await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject(refusal)
      await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject(refusal)
      expect(approvals(server)).toBe(1)
    }
  })

  it('is a conflict after a 409 without details, without a type or with odd ones, and a failure in a dead sandbox', async () => {
    const bodies = [
      {},
      { details: null },
      { details: { conflicts: [{ sandboxId: 's2', scope: '/x', conflictType: '' }] } },
      { details: { conflicts: 'what' } },
    ]
    for (const more of bodies) {
      const box = await makeFakeSandbox()
      const { client } = await serve(box.routes({ [APPROVE]: fault(409, 'both sides changed', more) }))
      expect(await client.applyAll('s1', landing(box))).toMatchObject({
        ok: false,
        reason: 'conflict',
        message: expect.stringContaining('both sides changed'),
      })
    }
    const box = await makeFakeSandbox()
    const effect = () => {
      box.status = 'rejected'
    }
    const { client } = await serve(box.routes({ [APPROVE]: doing(effect, fault(409, 'wrong state')) }))
    await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
  })

  it('is a clear failure when the answer is not the service own', async () => {
    for (const script of [plain(404, '404 page not found'), plain(405, ''), plain(500, '')]) {
      const box = await makeFakeSandbox()
      const { client } = await serve(box.routes({ [APPROVE]: script }))
      await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({
        code: 'SANDBOX_OPERATION',
        message: expect.stringContaining('no answer of a workspace-sandbox'),
      })
    }
  })
})

describe('a sandbox that changed underneath', () => {
  it('is gone alike when it is deleted and when it is unknown, and nothing is asked of it', async () => {
    for (const script of [null, fault(404, 'sandbox not found', { hint: 'x' })]) {
      const box = await makeFakeSandbox()
      box.status = 'deleted'
      const { server, client } = await serve(box.routes(script ? { [GET]: script } : {}))

      expect(await client.state('s1')).toBe('gone')
      expect(await client.applyAll('s1', landing(box))).toMatchObject({ ok: false, reason: 'unable' })
      expect(approvals(server)).toBe(0)
    }
  })

  it('is not gone because an address answers 404 in plain words', async () => {
    const { client } = await serve({})

    for (const call of [client.state('s1'), client.delete('s1')]) {
      await expect(call).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
    }
  })

  it('gets its vanished mount back by stop and start before it lands', async () => {
    const box = await makeFakeSandbox()
    box.mountHealth = { healthy: false, verified: true, error: 'not mounted' }
    const { server, client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
    const posts = server.asked().filter((each) => each.startsWith('POST'))
    expect(posts.map((each) => each.split('/').at(-1))).toEqual(['stop', 'start', 'approve'])
  })

  it('is never stopped or started on the copy driver, which would lose what it holds', async () => {
    const box = await makeFakeSandbox()
    box.driver = 'copy'
    const { server, client } = await serve(box.routes())
    await client.stop('s1')
    box.status = 'stopped'
    expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
    expect(server.asked().filter((each) => /\/(stop|start)$/.test(each))).toEqual([])

    const broken = await makeFakeSandbox()
    broken.driver = 'copy'
    broken.mountHealth = { healthy: false, verified: true, error: 'folder gone' }
    const other = await serve(broken.routes())
    await expect(other.client.applyAll('s1', landing(broken))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('folder gone'),
    })
    expect(other.server.asked().filter((each) => each.startsWith('POST'))).toEqual([])
  })

  it('is not taken for landed when it is approved and its view is gone', async () => {
    const box = await makeFakeSandbox()
    box.status = 'approved'
    await rm(box.mergedDir, { recursive: true })
    const { client } = await serve(box.routes())

    await expect(client.applyAll('s1', landing(box))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('its view is gone'),
    })
  })

  it('lands nothing when its diff is another one, or its view does not show it', async () => {
    const box = await makeFakeSandbox()
    box.diffFiles = [{ id: 'f1', path: 'README.md', changeType: 'added' }]
    const { server, client } = await serve(box.routes())
    expect(await client.applyAll('s1', landing(box))).toMatchObject({
      ok: false,
      paths: ['README.md', 'docs/new.txt', 'src/old.txt'],
    })
    const hollow = await makeFakeSandbox(undefined, async () => undefined)
    const other = await serve(hollow.routes())
    expect(await other.client.applyAll('s1', landing(hollow))).toMatchObject({
      ok: false,
      reason: 'conflict',
      paths: ['docs/new.txt', 'src/old.txt'],
    })
    expect([...server.asked(), ...other.server.asked()]).not.toContain(APPROVE)
  })
})

describe('answers that are too large, too slow or odd', () => {
  it('ends a diff that trickles at its deadline and a huge one at the cap', async () => {
    const box = await makeFakeSandbox()
    const slow = await serve(box.routes({ [DIFF]: trickle(20), [GET]: trickle(20) }), {
      limits: { ...LIMITS, shortMs: 300, longMs: 300 },
    })
    const startedAt = performance.now()
    await expect(slow.client.diff('s1')).rejects.toMatchObject({ message: expect.stringContaining('300 ms') })
    await expect(slow.client.state('s1')).rejects.toMatchObject({
      message: expect.stringContaining('300 ms'),
    })
    expect(performance.now() - startedAt).toBeLessThan(4000)
    const huge = await serve(
      box.routes({ [DIFF]: answer(200, { files: [], unifiedDiff: 'x'.repeat(100_000) }) }),
      {
        limits: { ...LIMITS, maxBodyBytes: 50_000 },
      },
    )
    await expect(huge.client.diff('s1')).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('larger than 50000 bytes'),
    })
    expect(huge.server.asked()).toEqual([DIFF])
  })

  it('takes null arrays for empty ones and refuses paths that lead out of the project', async () => {
    const box = await makeFakeSandbox()
    const empty = await serve(box.routes({ [DIFF]: answer(200, { files: null, unifiedDiff: null }) }))
    expect(await empty.client.diff('s1')).toEqual({ files: [], text: '' })
    for (const filePath of ['../x', '/etc/passwd', 'a/../../x', '.git/hooks/x', '']) {
      const body = { files: [{ id: 'f', filePath, changeType: 'added' }], unifiedDiff: '' }
      const { client } = await serve(box.routes({ [DIFF]: answer(200, body) }))
      await expect(client.diff('s1')).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
    }
  })

  it('asks a reading once more when the connection breaks, and tells a failing one', async () => {
    const box = await makeFakeSandbox()
    const { server, client } = await serve(box.routes({ [GET]: inTurn(cut, box.routes()[GET]!) }))
    expect(await client.state('s1')).toBe('active')
    expect(server.asked()).toEqual([GET, GET])
    const creating = await serve(box.routes({ [GET]: fault(500, 'converting NULL to string') }))
    await expect(creating.client.state('s1')).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('NULL'),
    })
  })
})
