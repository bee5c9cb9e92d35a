/** The suites of the sandbox service again, on the overlay driver. */
import { afterAll, describe, it } from 'vitest'
// First of all: its clean-up belongs to this file and not to the first suite that imports it.
import '../support/sandbox-project.ts'
import { whyNoOverlay } from '../support/sandbox-server.ts'

const problem = await whyNoOverlay()
if (problem !== null) process.stdout.write(`not tested on overlays: ${problem}\n`)

const before = process.env['SANDBOX_DRIVER']
process.env['SANDBOX_DRIVER'] = 'overlay'
afterAll(() => {
  if (before === undefined) delete process.env['SANDBOX_DRIVER']
  else process.env['SANDBOX_DRIVER'] = before
})

const suites: Record<string, () => Promise<unknown>> = {
  api: () => import('./workspace-sandbox-api.test.ts'),
  crash: () => import('./workspace-sandbox-crash.test.ts'),
  diff: () => import('./workspace-sandbox-diff.test.ts'),
  git: () => import('./workspace-sandbox-git.test.ts'),
  landing: () => import('./workspace-sandbox-landing.test.ts'),
}

if (problem !== null) it.skip(`overlays do not work here: ${problem}`, () => {})
else {
  for (const [name, load] of Object.entries(suites)) {
    describe(`on overlays: ${name}`, async () => {
      await load()
    })
  }
}
