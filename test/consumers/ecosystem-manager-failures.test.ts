/** What ecosystem-manager learns from runs that fail: it sorts them by words in the error. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeGitProject } from '../support/project.ts'
import { makeWorld, startService } from '../support/service.ts'
import {
  EcosystemManager,
  outputOf,
  resultOf,
  type Settings,
  TASK_SETTINGS,
} from './ecosystem-manager-client.ts'

const RUNNERS = [
  ['claude-code', 'RUNNER_TYPE_CLAUDE_CODE'],
  ['opencode', 'RUNNER_TYPE_OPENCODE'],
] as const

/** Starts all anew for one scenario, and follows one run through it. */
async function play(scenario: string, runner: 'claude-code' | 'opencode', settings: Settings) {
  const world = await makeWorld(scenario, runner)
  const service = await startService(world.env)
  onTestFinished(async () => {
    await service.end('SIGTERM')
    await world.cleanUp()
  })
  mkdirSync(join(world.base, 'project'))
  const root = makeGitProject(join(world.base, 'project'), { 'a.txt': 'a\n' })
  const client = new EcosystemManager(service.url)
  const id = await client.start({ root, tag: 'ecosystem-1', prompt: 'Do it', profileKey: 'k', settings })
  return client.follow(id)
}

describe.each(RUNNERS)('with %s', (runner, runnerType) => {
  test('a provider at its limit is a rate limit, told while it is tried again, in whole seconds', async () => {
    const { run, events } = await play('error-429', runner, { ...TASK_SETTINGS, runnerType })

    expect(resultOf(run)).toMatchObject({
      success: false,
      rateLimited: true,
      timeout: false,
      maxTurnsExceeded: false,
    })
    const limits = events.flatMap((event) => (event['rateLimit'] ? [event['rateLimit']] : []))
    expect(limits.length).toBeGreaterThan(0)
    for (const limit of limits) {
      expect(Date.parse(limit.resetTime)).toBeGreaterThan(Date.parse(run['createdAt']))
      expect(Number.isInteger(limit.retryAfter ?? 0)).toBe(true)
    }
    expect(outputOf(events).broadcast.at(-1)).toBe('running -> failed')
  })

  test('too many model calls are too many turns', async () => {
    const { run } = await play('endless', runner, { ...TASK_SETTINGS, runnerType, maxTurns: 2 })

    expect(resultOf(run)).toMatchObject({ success: false, maxTurnsExceeded: true, rateLimited: false })
  })
})
