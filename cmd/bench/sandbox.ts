/**
 * Times create, diff and approve of the embedded workspace-sandbox over HTTP, on a small and a large project that
 * both hold 2 GB of ignored files. `sandbox_first_diff` is a diff of the changed files right after create, while the
 * base is still being read; `sandbox_diff` is the next one.
 */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { makeProject, pathOfFile } from './sandbox-project.ts'
import { type SandboxService, startSandboxService } from './sandbox-service.ts'

const SIZES = [1_000, 100_000]
const ROUNDS = 5
const CHANGED_FILES = 10
const ROUTE = '/api/v1/sandboxes'

const MEASURES = ['sandbox_create', 'sandbox_first_diff', 'sandbox_diff', 'sandbox_approve'] as const
type Times = Record<(typeof MEASURES)[number], number>

/** @param driver overlay or copy  @throws when the service does not start or refuses a call */
export async function benchSandbox(driver: string): Promise<void> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sandbox-bench-')))
  const service = await startSandboxService(driver, join(folder, 'base'))
  try {
    const medians: Times[] = []
    for (const files of SIZES) medians.push(await benchSize(service, join(folder, `project-${files}`), files))
    medians.forEach((times, at) => {
      print(driver, SIZES[at] ?? 0, times, medians[0] ?? times)
    })
  } finally {
    await service.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function benchSize(service: SandboxService, project: string, files: number): Promise<Times> {
  await makeProject(project, files)
  const rounds: Times[] = []
  // The first round warms the caches and does not count.
  for (let round = 0; round <= ROUNDS; round += 1) rounds.push(await runRound(service, project, files))
  await rm(project, { recursive: true, force: true })
  return medianOf(rounds.slice(1))
}

function print(driver: string, files: number, times: Times, smallest: Times): void {
  for (const name of MEASURES) {
    const value = Math.round(times[name] * 10) / 10
    const baseline = Math.round(smallest[name] * 10) / 10
    const ratio = Math.round((times[name] / smallest[name]) * 100) / 100
    process.stdout.write(`${JSON.stringify({ name, value, unit: 'ms', baseline, ratio, driver, files })}\n`)
  }
}

async function runRound(service: SandboxService, project: string, files: number): Promise<Times> {
  const created = await timed(() => service.call('POST', ROUTE, { projectRoot: project }))
  const { id, mergedDir } = created.answer
  if (typeof id !== 'string' || typeof mergedDir !== 'string') throw new Error('the service made no sandbox')
  const one = `${ROUTE}/${id}`
  for (let number = 0; number < CHANGED_FILES; number += 1) {
    const path = pathOfFile(Math.floor((number * files) / CHANGED_FILES))
    await writeFile(join(mergedDir, path), `changed in ${id}\n`)
  }
  const first = await timed(() => service.call('GET', `${one}/diff`))
  await service.call('GET', `${one}/conflicts`) // waits for the base
  const diff = await timed(() => service.call('GET', `${one}/diff`))
  for (const { answer } of [first, diff]) {
    if (!Array.isArray(answer['files']) || answer['files'].length !== CHANGED_FILES)
      throw new Error(`the diff does not show ${CHANGED_FILES} files`)
  }
  if (first.answer['unifiedDiff'] !== diff.answer['unifiedDiff'])
    throw new Error('the diff changed when the base had been read')
  const approve = await timed(() =>
    service.call('POST', `${one}/approve`, { mode: 'all', overrideAcceptance: true }),
  )
  if (approve.answer['applied'] !== CHANGED_FILES) throw new Error('the approval did not apply every file')
  await service.call('DELETE', one)
  return {
    sandbox_create: created.ms,
    sandbox_first_diff: first.ms,
    sandbox_diff: diff.ms,
    sandbox_approve: approve.ms,
  }
}

async function timed(call: () => Promise<Record<string, unknown>>) {
  const from = performance.now()
  const answer = await call()
  return { answer, ms: performance.now() - from }
}

function medianOf(rounds: readonly Times[]): Times {
  const median = (name: keyof Times) =>
    rounds.map((times) => times[name]).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? 0
  return {
    sandbox_create: median('sandbox_create'),
    sandbox_first_diff: median('sandbox_first_diff'),
    sandbox_diff: median('sandbox_diff'),
    sandbox_approve: median('sandbox_approve'),
  }
}
