/**
 * The files of an empty repository, as `git init` makes them (gitrepository-layout(5)), written without starting git:
 * whoever waits for a sandbox waits for this.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** @param gitDir absolute; made where it is missing  @param head full name of the branch to come: `refs/heads/x` */
export async function layOutRepository(
  gitDir: string,
  of: {
    readonly objectFormat: string
    readonly bare: boolean
    readonly head: string
    readonly config?: string
  },
): Promise<void> {
  await mkdir(gitDir, { recursive: true, mode: 0o700 })
  for (const folder of ['refs/heads', 'refs/tags', 'objects/info', 'objects/pack', 'info'])
    await mkdir(join(gitDir, folder), { recursive: true })
  await writeFile(join(gitDir, 'config'), `${formatText(of.objectFormat, of.bare)}${of.config ?? ''}`)
  await writeFile(join(gitDir, 'HEAD'), `ref: ${of.head}\n`)
}

/** Version 0 knows no extensions, and every git reads it. */
function formatText(objectFormat: string, bare: boolean): string {
  const isOld = objectFormat === 'sha1'
  const core = `[core]\n\trepositoryformatversion = ${isOld ? 0 : 1}\n\tfilemode = true\n\tbare = ${bare}\n`
  return isOld ? core : `${core}[extensions]\n\tobjectformat = ${objectFormat}\n`
}

/** @param ref full name, or HEAD for a detached one; git has checked it where it comes from */
export async function writeRef(gitDir: string, ref: string, commit: string): Promise<void> {
  const file = join(gitDir, ref)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${commit}\n`)
}
