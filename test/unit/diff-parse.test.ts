import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseUnifiedDiff, sectionOf } from '../../internal/approval/diff.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const parse = (text: string) => parseUnifiedDiff(text, sha256)
const brief = (text: string) =>
  parse(text).map((file) => [file.changeType, file.path, file.additions, file.deletions, file.isBinary])

/** The recorded example of the sandbox service's contract. */
const SANDBOX = `diff --git a/src/app.txt b/src/app.txt
--- a/src/app.txt
+++ b/src/app.txt
@@ -1,5 +1,5 @@
 line 1
-line 2
+line TWO
 line 3
 line 4
 line 5
diff --git a/src/empty.txt b/src/empty.txt
new file mode 100644
--- /dev/null
+++ b/src/empty.txt
diff --git a/src/new.txt b/src/new.txt
new file mode 100644
--- /dev/null
+++ b/src/new.txt
@@ -0,0 +1,3 @@
+hello
+world
+!
\\ No newline at end of file
diff --git a/src/old.txt b/src/old.txt
deleted file mode 100755
--- a/src/old.txt
+++ /dev/null
@@ -1,2 +0,0 @@
-to be removed
-second
`

/** As git 2.39 printed it, names and blanks included. */
const GIT = String.raw`diff --git "a/a \303\244" "b/a \303\244"
old mode 100644
new mode 100755
index 45b983b..65ef226
--- "a/a \303\244"	
+++ "b/a \303\244"	
@@ -1 +1,2 @@ int main(void)
 hi
+more
diff --git a/bin b/bin
new file mode 100644
index 0000000000000000000000000000000000000000..20b5be91886d0b6f26dc98a225c0dac05fe2c86e
GIT binary patch
literal 3
KcmYdfNCE%>hycU@

literal 0
HcmV?d00001

diff --git a/img b.png b/img b.png
index 20b5be9..31c5be9 100644
Binary files a/img b.png and b/img b.png differ
diff --git "a/nl\ny" "b/nl\ny"
index 45b983b..65ef226 100644
--- "a/nl\ny"
+++ "b/nl\ny"
@@ -1 +1,2 @@
 hi
+more
diff --git a/from here.txt b/to.txt
similarity index 90%
rename from from here.txt
rename to to.txt
index 45b983b..65ef226 100644
--- a/from here.txt	
+++ b/to.txt
@@ -1 +1,2 @@
 hi
+more
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git "a/q\"q" "b/q\"q"
deleted file mode 120000
index 45b983b..0000000
--- "a/q\"q"
+++ /dev/null
@@ -1 +0,0 @@
-target
\ No newline at end of file
`

describe("the sandbox service's format", () => {
  it('is read as recorded', () => {
    const files = parse(SANDBOX)

    expect(brief(SANDBOX)).toEqual([
      ['modified', 'src/app.txt', 1, 1, false],
      ['added', 'src/empty.txt', 0, 0, false],
      ['added', 'src/new.txt', 3, 0, false],
      ['deleted', 'src/old.txt', 0, 2, false],
    ])
    expect(files.map(({ oldMode, newMode }) => [oldMode, newMode])).toEqual([
      [null, null],
      [null, '100644'],
      [null, '100644'],
      ['100755', null],
    ])
    expect(files[2]?.hunks).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        oldStart: 0,
        oldLines: 0,
        newStart: 1,
        newLines: 3,
        header: '@@ -0,0 +1,3 @@',
        lines: ['+hello', '+world', '+!', '\\ No newline at end of file'],
      },
    ])
  })

  it('has binary files in two spellings and folders as deletions', () => {
    const text = [
      'diff --git a/x.bin b/x.bin',
      'new file mode 100644',
      'Binary file x.bin',
      'diff --git a/two words.bin b/two words.bin',
      'Binary files a/two words.bin and b/two words.bin differ',
      'diff --git a/old b/old',
      'deleted file mode 040755',
      '--- a/old',
      '+++ /dev/null',
      '',
    ].join('\n')

    expect(brief(text)).toEqual([
      ['added', 'x.bin', 0, 0, true],
      ['modified', 'two words.bin', 0, 0, true],
      ['deleted', 'old', 0, 0, false],
    ])
  })

  it('takes lines that look like headers for what they are inside a hunk', () => {
    const text = [
      'diff --git a/a.sql b/a.sql',
      '--- a/a.sql',
      '+++ b/a.sql',
      '@@ -1,3 +1,3 @@',
      '--- a/old comment',
      '+++ b/new comment',
      ' diff --git a/x b/x',
      '-@@ -1 +1 @@',
      '+@@ -2 +2 @@',
      'diff --git a/z b/z',
      '--- a/z',
      '+++ b/z',
      '@@ -1 +1 @@',
      '-1',
      '+2',
      '',
    ].join('\n')

    expect(brief(text)).toEqual([
      ['modified', 'a.sql', 2, 2, false],
      ['modified', 'z', 1, 1, false],
    ])
  })

  it('keeps a carriage return and a context line that lost its blank', () => {
    const [file] = parse('diff --git a/w b/w\n--- a/w\n+++ b/w\n@@ -1,3 +1,3 @@\n one\r\n\n-two\r\n+2\r\n')

    expect(file?.hunks[0]?.lines).toEqual([' one\r', '', '-two\r', '+2\r'])
  })
})

describe("git's own format", () => {
  it('is read with quoted names, modes, renames and binary patches', () => {
    expect(brief(GIT)).toEqual([
      ['modified', 'a ä', 1, 0, false],
      ['added', 'bin', 0, 0, true],
      ['modified', 'img b.png', 0, 0, true],
      ['modified', 'nl\ny', 1, 0, false],
      ['renamed', 'to.txt', 1, 0, false],
      ['modified', 'run.sh', 0, 0, false],
      ['deleted', 'q"q', 0, 1, false],
    ])
    expect(parse(GIT).map(({ oldPath, oldMode, newMode }) => [oldPath, oldMode, newMode])).toEqual([
      [null, '100644', '100755'],
      [null, null, '100644'],
      [null, '100644', '100644'],
      [null, '100644', '100644'],
      ['from here.txt', '100644', '100644'],
      [null, '100644', '100755'],
      [null, '120000', null],
    ])
    expect(parse(GIT)[0]?.hunks[0]?.header).toBe('@@ -1 +1,2 @@ int main(void)')
  })
})

describe('the id of a hunk', () => {
  const hunk = (path: string, start: number, line: string): string =>
    `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n@@ -${start} +${start} @@\n-x\n+${line}\n`
  const idOf = (text: string): string | undefined => parse(text)[0]?.hunks[0]?.id

  it('follows path and content, not the place', () => {
    expect(idOf(hunk('a', 1, 'y'))).toBe(idOf(hunk('a', 900, 'y')))
    expect(idOf(hunk('a', 1, 'y'))).not.toBe(idOf(hunk('a', 1, 'z')))
    expect(idOf(hunk('a', 1, 'y'))).not.toBe(idOf(hunk('b', 1, 'y')))
  })

  it('differs between two equal hunks of one file', () => {
    const text = `${hunk('a', 1, 'y')}@@ -9 +9 @@\n-x\n+y\n`

    const ids = parse(text).flatMap((file) => file.hunks.map(({ id }) => id))

    expect(new Set(ids).size).toBe(2)
    expect(ids[0]).toBe(idOf(hunk('a', 1, 'y')))
  })
})

describe('a section', () => {
  it('is cut out unchanged, by either name of a rename', () => {
    expect(sectionOf(SANDBOX, ['src/old.txt'])).toBe(SANDBOX.slice(SANDBOX.indexOf('diff --git a/src/old')))
    expect(
      sectionOf(
        SANDBOX,
        parse(SANDBOX).map(({ path }) => path),
      ),
    ).toBe(SANDBOX)
    expect(sectionOf(GIT, ['from here.txt'])).toBe(sectionOf(GIT, ['to.txt']))
    expect(sectionOf(GIT, ['to.txt'])).toMatch(/^diff --git a\/from here[\s\S]*\+more\n$/)
    expect(sectionOf(SANDBOX, ['src'])).toBe('')
  })
})

const line = fc.oneof(
  fc.string({ maxLength: 12 }).map((text) => text.replaceAll('\n', '')),
  fc.constantFrom('', '-- a/x', '++ b/x', '@ -1 +1 @@', 'diff --git a/x b/x', '\\ No newline at end of file'),
)
const path = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((text) => !text.includes('\n') && text !== 'dev/null')
const hunkModel = fc.record({
  lines: fc.array(fc.tuple(fc.constantFrom(' ', '+', '-'), line), { minLength: 1, maxLength: 8 }),
  endsBare: fc.boolean(),
})
const fileModel = fc.record({
  path,
  kind: fc.constantFrom('modified', 'added', 'deleted'),
  hunks: fc.array(hunkModel, { maxLength: 3 }),
})

type FileModel = typeof fileModel extends fc.Arbitrary<infer T> ? T : never

function render({ path: name, kind, hunks }: FileModel): { text: string; added: number; removed: number } {
  const only = { modified: null, added: '+', deleted: '-' }[kind]
  const head = [
    `diff --git a/${name} b/${name}`,
    ...(kind === 'added' ? ['new file mode 100644'] : []),
    ...(kind === 'deleted' ? ['deleted file mode 100644'] : []),
    kind === 'added' ? '--- /dev/null' : `--- a/${name}`,
    kind === 'deleted' ? '+++ /dev/null' : `+++ b/${name}`,
  ]
  let added = 0
  let removed = 0
  const body = hunks.flatMap((hunk) => {
    const signs = hunk.lines.map(([sign]) => only ?? sign)
    const plus = signs.filter((sign) => sign === '+').length
    const minus = signs.filter((sign) => sign === '-').length
    added += plus
    removed += minus
    return [
      `@@ -7,${signs.length - plus} +7,${signs.length - minus} @@`,
      ...hunk.lines.map(([, text], at) => `${signs[at]}${text}`),
      ...(hunk.endsBare ? ['\\ No newline at end of file'] : []),
    ]
  })
  return { text: [...head, ...body].map((each) => `${each}\n`).join(''), added, removed }
}

describe('any diff', () => {
  it('gives back the files it was made from', () => {
    fc.assert(
      fc.property(fc.array(fileModel, { maxLength: 5 }), (models) => {
        const rendered = models.map(render)
        const text = rendered.map((each) => each.text).join('')

        const files = parse(text)

        expect(files.map((file) => [file.path, file.changeType, file.additions, file.deletions])).toEqual(
          models.map((model, at) => [model.path, model.kind, rendered[at]?.added, rendered[at]?.removed]),
        )
        expect(files.map((file) => file.hunks.length)).toEqual(models.map((model) => model.hunks.length))
        const ids = files.flatMap((file) => file.hunks.map(({ id }) => id))
        expect(new Set(ids).size).toBe(ids.length)
        const first = models[0]?.path ?? ''
        expect(sectionOf(text, [first])).toBe(
          rendered.flatMap((each, at) => (models[at]?.path === first ? [each.text] : [])).join(''),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('is never a reason to throw, whatever is broken in it', () => {
    const pieces = [
      ...SANDBOX.split('\n'),
      ...GIT.split('\n'),
      '@@ -1,999999999 +1 @@',
      '"a/\\',
      'diff --git "',
    ]
    const garbage = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 30 })

    fc.assert(
      fc.property(garbage, (some) => {
        const text = some.join('\n')
        const paths = parse(text).map((file) => file.path)
        const whole = sectionOf(text, paths)
        expect(parse(whole)).toEqual(parse(text))
      }),
      { numRuns: 1000 },
    )
  })
})
