import { describe, expect, it } from 'vitest'
import { applyHunks, chosenHunks, readHunks } from '../../cmd/workspace-sandbox/hunks.ts'

const lines = (...all: (string | number)[]): Buffer => Buffer.from(all.map((each) => `${each}\n`).join(''))
const PATCH = `diff --git a/x b/x
index 1..2 100644
--- a/x
+++ b/x
@@ -1,4 +1,4 @@ function
--- one
+++ eins
 2
 3
 4
@@ -10,0 +11 @@
+10.5
@@ -20 +20,0 @@
-20
\\ No newline at end of file
`

describe('hunks', () => {
  it('are read by counting lines, never by their first letters', () => {
    expect(readHunks(PATCH)).toEqual([
      { oldStart: 1, oldCount: 4, newStart: 1, newCount: 4 },
      { oldStart: 10, oldCount: 0, newStart: 11, newCount: 1 },
      { oldStart: 20, oldCount: 1, newStart: 20, newCount: 0 },
    ])
    expect(readHunks('diff --git a/x b/x\nBinary files a/x and b/x differ\n')).toEqual([])
    expect(readHunks('')).toEqual([])
  })

  it('end where the second half of a file that became a link begins', () => {
    const halves = `${PATCH}diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+to\n`
    expect(readHunks(halves)).toHaveLength(3)
  })

  it('are refused when the text is cut or odd', () => {
    for (const text of [
      '@@ -1,2 +1,2 @@\n a\n',
      '@@ -1 +1 @@\n?a\n',
      '@@ nonsense @@\n',
      '@@ -1 +1 @@\n-a\n+b\nmore\n',
    ]) {
      expect(() => readHunks(text), text).toThrow('unexpected shape')
    }
  })

  it('are chosen by their start in the new file, both ends of a range included', () => {
    const starts = (...ranges: [number, number][]) =>
      chosenHunks(
        readHunks(PATCH),
        ranges.map(([startLine, endLine]) => ({ startLine, endLine })),
      ).map((hunk) => hunk.newStart)
    expect(starts([1, 1])).toEqual([1])
    expect(starts([2, 10])).toEqual([])
    expect(starts([11, 20])).toEqual([11, 20])
    expect(starts([20, 30], [0, 1])).toEqual([1, 20])
    expect(starts()).toEqual([])
  })

  it('replace lines, insert after a line and remove lines', () => {
    const before = lines('a', 'b', 'c', 'd')
    const after = lines('A', 'b', 'x', 'y', 'c')
    const change = { oldStart: 1, oldCount: 1, newStart: 1, newCount: 1 }
    const insert = { oldStart: 2, oldCount: 0, newStart: 3, newCount: 2 }
    const remove = { oldStart: 4, oldCount: 1, newStart: 5, newCount: 0 }
    expect(applyHunks(before, after, [])).toEqual(before)
    expect(applyHunks(before, after, [change])).toEqual(lines('A', 'b', 'c', 'd'))
    expect(applyHunks(before, after, [insert])).toEqual(lines('a', 'b', 'x', 'y', 'c', 'd'))
    expect(applyHunks(before, after, [remove])).toEqual(lines('a', 'b', 'c'))
    expect(applyHunks(before, after, [change, insert, remove])).toEqual(after)
  })

  it('keep every byte of both sides', () => {
    const before = Buffer.from([0xe9, 13, 10, 0xff, 10, 0xfe])
    const after = Buffer.from([0xe9, 13, 10, 0xfd, 13, 10, 0xfe, 10])
    const all = { oldStart: 2, oldCount: 2, newStart: 2, newCount: 2 }
    expect(applyHunks(before, after, [all])).toEqual(after)
    expect(
      applyHunks(Buffer.alloc(0), after, [{ oldStart: 0, oldCount: 0, newStart: 1, newCount: 3 }]),
    ).toEqual(after)
  })
})
