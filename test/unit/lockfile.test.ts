/** `npm ci` refuses a lock that leaves out another platform's package, and nobody's registry belongs in it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      resolved: z.string().optional(),
      optionalDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
})

const read = (name: string) =>
  Lock.parse(JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8'))).packages

const LOCKS = [
  'package-lock.json',
  'adapters/runners/claude-code/cli/package-lock.json',
  'adapters/runners/opencode/cli/package-lock.json',
]

/** Where node would look for a dependency of the package at this path, nearest first. */
function* places(path: string, name: string): Generator<string> {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    yield folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
    if (folder === '') return
  }
}

test.each(LOCKS)('%s holds every optional dependency, whatever the platform', (file) => {
  const packages = read(file)
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) =>
      [...places(path, name)].every((place) => !(place in packages)),
    ),
  )
  expect(missing).toEqual([])
})

test.each(LOCKS)('%s names no download address', (file) => {
  expect(Object.values(read(file)).filter((entry) => entry.resolved !== undefined)).toEqual([])
})
