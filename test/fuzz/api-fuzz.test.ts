/**
 * Requests made out of the OpenAPI document, sound and bent, against the real service over real Postgres: none breaks
 * it, and every answer is one that the document tells of. `SEED` chooses the requests, `COUNT` how many.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call, createRun, FINISHED, untilRun } from '../support/client.ts'
import { type InProcessService, startInProcess } from '../support/in-process-service.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { makeWorld, type World } from '../support/service.ts'
import { Driver } from './drive.ts'
import { anyRequest } from './requests.ts'

const COUNT = Number(process.env['COUNT'] ?? 3000)
const SEED = Number(process.env['SEED'] ?? 20_261_121)
/** More would be read by nobody. */
const ENOUGH_FAULTS = 15

let world: World
let service: InProcessService
let driver: Driver
beforeAll(async () => {
  world = await makeWorld('write-file', 'claude-code')
  // How often somebody may ask is tried elsewhere.
  const noLimits = {
    AGENT_MANAGER_SERVER_RATE_LIMIT: '0',
    AGENT_MANAGER_SERVER_RATE_LIMIT_PER_ADDRESS: '0',
    AGENT_MANAGER_SERVER_RATE_LIMIT_EXPENSIVE: '0',
  }
  service = await startInProcess({ ...world.env, ...noLimits })
  driver = new Driver(service.url, await somethingToAskFor())
})
afterAll(async () => {
  driver?.close()
  await service?.stop()
  await world?.cleanUp()
})

/** Two runs with a log and a diff. Then the engine rests: what is created from now on stays pending. */
async function somethingToAskFor() {
  const projects = ['one', 'two'].map((name) => {
    mkdirSync(join(world.base, name))
    return makeGitProject(join(world.base, name), GREETER)
  })
  await service.startEngine()
  const runs = []
  for (const project of projects)
    runs.push(await createRun(service.url, project, { profile: { runner_type: 'claude-code' } }))
  for (const { id } of runs) await untilRun(service.url, id, (run) => FINISHED.includes(run['status']))
  await service.stopEngine()
  const profile = await call(service.url, 'POST', '/api/v1/profiles', { profile: { name: 'first' } })
  return {
    project: projects,
    run: runs.map(({ id }) => id),
    task: runs.map(({ taskId }) => taskId),
    profile: [profile.body['profile'].id],
  }
}

test(`${COUNT} requests of seed ${SEED}`, { timeout: 30_000 + COUNT * 60 }, async () => {
  const requests = fc.sample(anyRequest, { numRuns: COUNT, seed: SEED })

  for (const [index, request] of requests.entries()) {
    await driver.send(index, request)
    if (driver.faults.length >= ENOUGH_FAULTS) break
  }

  expect(driver.faults).toEqual([])
  const statuses = Object.fromEntries([...driver.statuses].sort(([a], [b]) => a - b))
  process.stderr.write(`fuzz: ${JSON.stringify(statuses)}, ${driver.succeeded.size} operations succeeded\n`)
  // Requests that never get anywhere would try nothing.
  expect(driver.succeeded.size).toBeGreaterThan(30)
  expect([...driver.succeeded]).toEqual(
    expect.arrayContaining([
      'POST /api/v1/tasks',
      'POST /api/v1/profiles',
      'POST /api/v1/runs',
      'GET /api/v1/runs/{id}/events',
      'POST /api/v1/profiles/ensure',
    ]),
  )
})
