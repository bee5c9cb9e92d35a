import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findOpencode, nativePackages } from '../../adapters/runners/opencode/find.ts'

let base = ''
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'find-')))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

function program(path: string, content: string): string {
  const file = join(base, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  chmodSync(file, 0o755)
  return file
}

it("finds the program behind npm's launcher script", () => {
  const script = program('lib/node_modules/opencode-ai/bin/opencode', '#!/usr/bin/env node\n')
  const plain = nativePackages(process.platform, process.arch)[0]!
  const native = program(`lib/node_modules/opencode-ai/node_modules/${plain}/bin/opencode`, 'ELF')
  mkdirSync(join(base, 'bin'))
  symlinkSync(script, join(base, 'bin/opencode'))

  const found = findOpencode({ command: 'opencode', path: `relative:${join(base, 'bin')}` })

  expect(found).toEqual({ file: native, readable: [native] })
})

it('follows a link to the program itself', () => {
  const native = program('opt/opencode', 'ELF')
  symlinkSync(native, join(base, 'oc'))

  expect(findOpencode({ command: join(base, 'oc'), path: '' })).toEqual({ file: native, readable: [native] })
})

it('takes a script as it is when nothing is found behind it', () => {
  const script = program('bin/opencode', '#!/bin/sh\n')

  expect(findOpencode({ command: 'opencode', path: join(base, 'bin') })?.file).toBe(script)
})

it('finds nothing where there is nothing to run', () => {
  writeFileSync(join(base, 'opencode'), 'not executable')

  expect(findOpencode({ command: 'opencode', path: base })).toBeNull()
  expect(findOpencode({ command: 'bin/opencode', path: base })).toBeNull()
})

it('prefers the build that needs no AVX2', () => {
  expect(nativePackages('linux', 'x64')).toEqual(['opencode-linux-x64-baseline', 'opencode-linux-x64'])
  expect(nativePackages('linux', 'arm64')).toEqual(['opencode-linux-arm64'])
})
