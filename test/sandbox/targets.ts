/**
 * The services the checklist runs against: the one at SANDBOX_URL (token: SANDBOX_TOKEN), else the embedded one,
 * once per driver: those of SANDBOX_DRIVERS, or each that starts here.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { TestProject } from 'vitest/node'
import { endChild, launchSandbox } from '../support/sandbox-server.ts'

export interface Target {
  readonly name: string
  readonly url: string
  readonly token: string | null
  /** Not ours: a deviation from an I item is a known fault and no failure. */
  readonly isForeign: boolean
}

declare module 'vitest' {
  interface ProvidedContext {
    sandboxTargets: Target[]
  }
}

const DRIVERS = ['copy', 'overlay']

interface Running {
  readonly target: Target
  stop(): Promise<void>
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = process.env['SANDBOX_URL']
  if (url !== undefined) {
    const token = process.env['SANDBOX_TOKEN'] ?? null
    project.provide('sandboxTargets', [{ name: url, url, token, isForeign: true }])
    return async () => {}
  }
  const running = await startEmbedded()
  project.provide(
    'sandboxTargets',
    running.map((each) => each.target),
  )
  return async () => {
    for (const each of running) await each.stop()
  }
}

async function startEmbedded(): Promise<Running[]> {
  const wanted = process.env['SANDBOX_DRIVERS']?.split(',').map((name) => name.trim())
  const running: Running[] = []
  for (const driver of wanted ?? DRIVERS) {
    try {
      running.push(await start(driver))
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (wanted === undefined && running.length > 0) {
        process.stdout.write(`the checklist does not run on the driver ${driver}: ${why.trim()}\n`)
        continue
      }
      for (const each of running) await each.stop()
      throw error
    }
  }
  return running
}

async function start(driver: string): Promise<Running> {
  const baseDir = await mkdtemp(join(tmpdir(), 'sandbox-base-'))
  try {
    const { child, url } = await launchSandbox({
      SANDBOX_BASE_DIR: baseDir,
      SANDBOX_DRIVER: driver,
      PORT: '0',
    })
    return {
      target: { name: driver, url, token: null, isForeign: false },
      stop: async () => {
        await endChild(child, 'SIGTERM')
        await rm(baseDir, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(baseDir, { recursive: true, force: true })
    throw error
  }
}
