import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { APP_TEXT, isGit, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { checklist, idOf, pathsOf } from './checklist.ts'

interface Range {
  fileId: string
  startLine: number
  endLine: number
}

/** Start lines of the hunks in the new files, in order. */
const startsIn = (unifiedDiff: string): number[] =>
  [...unifiedDiff.matchAll(/^@@ -\S+ \+(\d+)\S* @@/gm)].map((match) => Number(match[1]))

checklist('hunks', (on) => {
  const land = (id: string, hunkRanges: Range[]) =>
    on.approve(id, { mode: 'hunks', hunkRanges, overrideAcceptance: true })
  const text = (root: string, path: string) => readFile(join(root, path), 'latin1')
  /** `line N` of the 40 lines replaced. */
  const edit = (lines: Record<number, string>) =>
    APP_TEXT.replace(/line (\d+)\n/g, (line, number) => lines[Number(number)] ?? line)

  on.item('I', 36, 'lands the chosen hunk and keeps the others for later', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    const all = edit({ 2: 'TWO\n', 20: '', 38: 'a\nb\nc\n' })
    await writeFiles(dir, { 'src/app.txt': all, 'new.txt': '1\n' })
    const diff = await on.diff(id)
    const fileId = idOf(diff, 'src/app.txt')
    const [, first, second, third] = startsIn(diff.unifiedDiff)

    const one = await land(id, [{ fileId, startLine: second!, endLine: second! }])

    expect(one.json, one.text).toMatchObject({ success: true, applied: 1, remaining: 2, isPartial: true })
    expect(await text(root, 'src/app.txt')).toBe(edit({ 20: '' }))
    expect(await text(dir, 'src/app.txt')).toBe(all)
    expect((await on.get(id)).json.status).toBe('active')
    const rest = await on.diff(id)
    expect(pathsOf(rest)).toEqual(['added new.txt', 'modified src/app.txt'])
    expect(rest.files.map((file: { id: string }) => file.id)).toContain(fileId)
    expect(startsIn(rest.unifiedDiff)).toEqual([1, first, third])
    expect(rest.unifiedDiff).not.toContain('line 20\n-')

    const two = await land(id, [
      { fileId, startLine: 1, endLine: 40 },
      { fileId: idOf(rest, 'new.txt'), startLine: 1, endLine: 1 },
    ])
    expect(two.json, two.text).toMatchObject({ success: true, applied: 2, remaining: 0, isPartial: false })
    expect((await on.get(id)).json.status).toBe('approved')
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  on.item('I', 36, 'works in a scoped sandbox', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root, { scopePath: 'src' })
    await writeFile(join(dir, 'app.txt'), edit({ 3: 'THREE\n', 30: 'THIRTY\n' }))
    const diff = await on.diff(id)
    const [, late] = startsIn(diff.unifiedDiff)
    const { json } = await land(id, [{ fileId: idOf(diff, 'app.txt'), startLine: late!, endLine: 99 }])
    expect(json).toMatchObject({ success: true, applied: 1, remaining: 1, isPartial: true })
    expect(await text(root, 'src/app.txt')).toBe(edit({ 30: 'THIRTY\n' }))
  })

  on.item('I', 36, 'is not confused by lines that look like patch syntax', async () => {
    const odd = ['-- a', '++ b', '@@ -1,2 +1,2 @@', 'diff --git a/x b/x', '--- a/x', '\\ No newline', '']
    const before = `${odd.join('\n')}\n${APP_TEXT}${odd.join('\n')}\n`
    const root = await makeProject({ 'x.sql': before })
    const { id, dir } = await on.create(root)
    const top = odd.toReversed().join('\n')
    await writeFile(join(dir, 'x.sql'), `${top}\n${APP_TEXT}${top}\n`)
    const diff = await on.diff(id)
    const fileId = idOf(diff, 'x.sql')
    const { json } = await land(id, [{ fileId, startLine: 20, endLine: 99 }])
    expect(json).toMatchObject({ success: true, applied: 1, isPartial: true })
    expect(await text(root, 'x.sql')).toBe(`${odd.join('\n')}\n${APP_TEXT}${top}\n`)
    expect((await land(id, [{ fileId, startLine: 1, endLine: 19 }])).json).toMatchObject({ remaining: 0 })
    expect(await text(root, 'x.sql')).toBe(`${top}\n${APP_TEXT}${top}\n`)
  })

  on.item('I', 36, 'keeps every byte: line ends, encodings, a missing last line break', async () => {
    const root = await makeProject({
      'crlf.txt': edit({}).replace(/\n/g, '\r\n'),
      'latin1.txt': Buffer.from(edit({ 1: 'caf\u00e9\n', 40: 'na\u00efve' }), 'latin1'),
    })
    const { id, dir } = await on.create(root)
    const crlf = (lines: Record<number, string>) => edit(lines).replace(/\n/g, '\r\n')
    await writeFile(join(dir, 'crlf.txt'), crlf({ 2: 'X\n', 39: 'Y\n' }))
    const latin1 = (lines: Record<number, string>) => edit({ 1: 'caf\u00e9\n', 40: 'na\u00efve', ...lines })
    await writeFile(join(dir, 'latin1.txt'), latin1({ 1: '\u00fc\n', 40: 'na\u00efve\n\u00df' }), 'latin1')
    const diff = await on.diff(id)
    const { json } = await land(id, [
      { fileId: idOf(diff, 'crlf.txt'), startLine: 1, endLine: 1 },
      { fileId: idOf(diff, 'latin1.txt'), startLine: 30, endLine: 50 },
    ])
    expect(json).toMatchObject({ success: true, applied: 2, remaining: 2 })
    expect(await text(root, 'crlf.txt')).toBe(crlf({ 2: 'X\n' }))
    expect(await text(root, 'latin1.txt')).toBe(latin1({ 40: 'na\u00efve\n\u00df' }))
  })

  on.item('I', 36, 'takes a file without hunks whole, and a new mode with the last hunk', async () => {
    const bytes = Buffer.from([0, 1, 2])
    const root = await makeProject({ 'x.bin': bytes })
    const { id, dir } = await on.create(root)
    await writeFiles(dir, { 'x.bin': Buffer.concat([bytes, bytes]), 'empty.txt': '' })
    await writeFile(join(dir, 'src/app.txt'), edit({ 2: 'TWO\n', 38: 'B\n' }))
    await chmod(join(dir, 'src/app.txt'), 0o755)
    const diff = await on.diff(id)
    const whole = (path: string) => ({ fileId: idOf(diff, path), startLine: 1, endLine: 1 })
    const { json } = await land(id, [whole('x.bin'), whole('empty.txt'), whole('src/app.txt')])
    expect(json).toMatchObject({ success: true, applied: 3, remaining: 1 })
    const tree = await readTree(root, isGit)
    expect(tree['x.bin']).toBe((await readTree(dir, isGit))['x.bin'])
    expect(tree['src/app.txt']).toMatch(/^644 /)
    await land(id, [{ ...whole('src/app.txt'), endLine: 99 }])
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  on.item('I', 36, 'applies nothing when no hunk starts in the range, and nothing denied', async () => {
    const root = await makeProject()
    const behavior = { acceptance: { allow: { pathGlobs: ['docs/**'] }, deny: { pathGlobs: ['**/.never'] } } }
    const { id, dir } = await on.create(root, { behavior })
    await writeFile(join(dir, 'src/app.txt'), edit({ 20: 'X\n' }))
    const fileId = idOf(await on.diff(id), 'src/app.txt')
    const none = await land(id, [{ fileId, startLine: 30, endLine: 40 }])
    expect(none.json).toMatchObject({ success: true, applied: 0, remaining: 1 })
    const denied = await on.approve(id, {
      mode: 'hunks',
      hunkRanges: [{ fileId, startLine: 1, endLine: 40 }],
    })
    expect(denied.status).toBe(400)
    expect(await text(root, 'src/app.txt')).toBe(APP_TEXT)
  })

  on.item('I', 36, 'refuses a hunk of a file that moved on in the project', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    await writeFile(join(dir, 'src/app.txt'), edit({ 2: 'TWO\n', 38: 'B\n' }))
    await writeFile(join(root, 'src/app.txt'), edit({ 20: 'person\n' }))
    const fileId = idOf(await on.diff(id), 'src/app.txt')
    const { json } = await land(id, [{ fileId, startLine: 1, endLine: 1 }])
    expect(json).toMatchObject({ success: false, applied: 0, failed: 1 })
    expect(await text(root, 'src/app.txt')).toBe(edit({ 20: 'person\n' }))
  })
})
