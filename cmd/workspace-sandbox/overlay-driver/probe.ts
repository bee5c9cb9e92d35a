/** Tries on the spot whether overlays work here: words in /proc say nothing about rights or the file system. */
import { randomUUID } from 'node:crypto'
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TRASH } from '../sandbox-folders.ts'
import { layoutOf, makeLayers, mountWorkspace } from './layers.ts'
import type { Mounts } from './mounts.ts'

/** @param baseDir absolute real path of the folder where sandboxes are kept  @returns null, or why not */
export async function whyNoOverlay(mounts: Mounts, baseDir: string): Promise<string | null> {
  const folder = join(baseDir, `${TRASH}probe-${randomUUID()}`)
  const layout = layoutOf(join(folder, 'sandbox'))
  try {
    const project = join(folder, 'project')
    await mkdir(join(project, '.git'), { recursive: true, mode: 0o700 })
    await mkdir(join(project, 'd'))
    await writeFile(join(project, 'd', 'file'), '')
    await makeLayers(mounts, layout, project)
    await mountWorkspace(mounts, layout)
    return await tryOut(layout.merged, layout.upper)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    for (const each of await mounts.below(folder)) await mounts.unmount(each)
    await rm(folder, { recursive: true, force: true })
  }
}

/** All that the driver relies on: a hidden `.git`, a removal, a folder that hides the one below it. */
async function tryOut(merged: string, upper: string): Promise<string | null> {
  if ((await readdir(merged)).join() !== 'd') return 'the overlay does not hide what it should'
  await rm(join(merged, 'd', 'file'))
  const mark = await lstat(join(upper, 'd', 'file'))
  if (!mark.isCharacterDevice() || mark.rdev !== 0) return 'the overlay does not mark removals as expected'
  await rm(join(merged, 'd'), { recursive: true })
  await mkdir(join(merged, 'd'))
  await mkdir(join(merged, '.git'))
  const shown = [...(await readdir(join(merged, 'd'))), ...(await readdir(join(merged, '.git')))]
  return shown.length === 0 ? null : 'a new folder shows what was removed'
}
