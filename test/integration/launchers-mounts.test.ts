/** What full containment shows: single files, what is missing, and links that an earlier turn left behind. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { detectLauncher } from '../../adapters/launchers/detect.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { tryToEscape } from '../support/escape-host.ts'

const contained = (await detectLauncher()).containment === 'full'
if (!contained) process.stderr.write('launchers-mounts: no full containment here; install bubblewrap\n')

let base = ''
let work = ''
let home = ''
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'mounts-'))
  ;[work, home] = [join(base, 'work'), join(base, 'home')]
  for (const folder of [work, home]) mkdirSync(folder)
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

describe.runIf(contained)('bubblewrap', () => {
  it('lets single files of a hidden folder be written, but not replaced, and shows nothing else of it', async () => {
    for (const name of ['settings.json', 'secret']) writeFileSync(join(home, name), 'before')
    const settings = join(home, 'settings.json')

    const said = await tryToEscape(
      work,
      `ls ${home}; echo new > ${settings}.tmp; echo x > ${work}/other; mv ${work}/other ${settings}; rm ${settings}; echo after > ${settings}`,
      { hidden: [home], writable: [work, settings] },
    )

    expect(said.split('\n')[0]).toBe('settings.json')
    expect(said.match(/Read-only file system|resource busy/g)).toHaveLength(3)
    expect(existsSync(`${settings}.tmp`)).toBe(false)
    expect(readFileSync(settings, 'utf8')).toBe('after\n')
  })

  it('keeps read-only what lies in a writable folder and is listed as readable', async () => {
    mkdirSync(join(home, 'cli'))
    const settings = join(home, 'cli/settings.json')
    writeFileSync(settings, 'before')

    await tryToEscape(
      work,
      `echo after > ${settings}; rm -f ${settings}; mv ${home}/cli ${home}/moved; echo x > ${home}/cli/session`,
      { hidden: [home], writable: [work, join(home, 'cli')], readable: [settings] },
    )

    expect(readFileSync(settings, 'utf8')).toBe('before')
    expect(existsSync(join(home, 'cli/session'))).toBe(true)
  })

  it('keeps hidden what lies deep in a writable folder', async () => {
    const data = join(work, 'var/lib/data')
    mkdirSync(data, { recursive: true })
    writeFileSync(join(data, 'secret'), 'before')

    const said = await tryToEscape(
      work,
      `mv ${work}/var ${work}/a; mv ${work}/var/lib ${work}/b; mv ${data} ${work}/c; cat ${work}/*/secret ${work}/*/*/secret ${data}/secret; echo x > ${work}/var/lib/new; echo y > ${work}/new; ls ${data}`,
      { hidden: [data] },
    )

    expect(readFileSync(join(data, 'secret'), 'utf8')).toBe('before')
    expect(said).not.toContain('before')
    expect([existsSync(join(work, 'var/lib/new')), existsSync(join(work, 'new'))]).toEqual([true, true])
  })

  it('leaves out what does not exist', async () => {
    const missing = join(home, 'missing')

    expect(
      await tryToEscape(work, 'echo up', { writable: [work, missing], readable: [join(home, 'none')] }),
    ).toBe('up')
    expect(existsSync(missing)).toBe(false)
  })

  it('refuses a link in a writable folder where a folder should be', async () => {
    const planted = join(work, 'cache')
    symlinkSync(home, planted)

    for (const request of [{ writable: [work, planted] }, { writable: [work], readable: [planted] }])
      await expect(tryToEscape(work, 'true', request)).rejects.toThrow(
        `${planted} must not lead through a link`,
      )
  })

  it('cannot link files from outside into its folders', async () => {
    writeFileSync(join(home, 'secret'), 'before')

    const said = await tryToEscape(
      work,
      `ln ${home}/secret ${work}/mine || ln /etc/hostname ${work}/mine; ls ${work}`,
    )

    expect(said).not.toMatch(/^mine$/m)
  })
})

function run(program: string, ...args: string[]): void {
  execFileSync(findProgram(program, '/usr/sbin:/usr/bin:/sbin:/bin') ?? program, args)
}

/** Mounting needs root; a shared mount of our own plays the machine's root under systemd. */
describe.runIf(contained && process.getuid?.() === 0)('a machine whose mounts are shared', () => {
  it('mounts nothing into a container that runs already', async () => {
    const shared = join(base, 'shared')
    const later = join(shared, 'later')
    mkdirSync(shared)
    run('mount', '-t', 'tmpfs', 'none', shared)
    try {
      run('mount', '--make-shared', shared)
      mkdirSync(later)
      const pipes = { up: join(work, 'up'), go: join(work, 'go') }
      run('mkfifo', ...Object.values(pipes))

      const trying = tryToEscape(
        work,
        `echo > ${pipes.up}; cat ${pipes.go}; echo x > ${later}/escaped; echo tried`,
        {
          readable: [shared],
        },
      )
      await readFile(pipes.up)
      run('mount', '-t', 'tmpfs', '-o', 'mode=777', 'none', later)
      await writeFile(pipes.go, 'go')

      expect(await trying).toMatch(/tried$/)
      expect(existsSync(join(later, 'escaped'))).toBe(false)
    } finally {
      run('umount', '--recursive', '--lazy', shared)
    }
  })
})
