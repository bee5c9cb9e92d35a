import { describe, expect, it } from 'vitest'
import { judge } from '../../cmd/workspace-sandbox/acceptance.ts'
import { flattenRules, rulesInSubFolder } from '../../cmd/workspace-sandbox/git-base/ignore-rules.ts'
import { formatPatch } from '../../cmd/workspace-sandbox/git-base/patch-format.ts'
import { matchesPathGlob } from '../../cmd/workspace-sandbox/path-glob.ts'
import { contains, outermost, resolveInProject } from '../../cmd/workspace-sandbox/reservation.ts'

describe('path globs', () => {
  it.each([
    ['**', 'a/b', true],
    ['src/**', 'src/a/b.ts', true],
    ['src/**', 'src', true],
    ['src/**/x', 'src/x', true],
    ['src/**/x', 'src/a/b/x', true],
    ['src/*.ts', 'src/a.ts', true],
    ['src/*.ts', 'src/a/b.ts', false],
    ['*.ts', 'src/a.ts', false],
    ['a?c', 'abc', true],
    ['a[b-d]c', 'acc', true],
    ['a[^b-d]c', 'acc', false],
    ['a[\\]x]c', 'a]c', true],
    ['a[d-b]c', 'acc', false],
    ['a[b', 'ab', false],
    ['a\\*c', 'a*c', true],
    ['a\\*c', 'abc', false],
    ['a.c', 'abc', false],
    ['a(b|c)+{1}', 'a(b|c)+{1}', true],
    ['**/.never', 'a/.never', true],
    ['é?', 'éß', true],
  ])('%s on %s is %s', (glob, path, expected) => {
    expect(matchesPathGlob(glob, path)).toBe(expected)
  })

  it('stays fast on many spans', () => {
    expect(matchesPathGlob(Array(30).fill('**/a').join('/'), Array(60).fill('b').join('/'))).toBe(false)
  })
})

describe('ignore rules', () => {
  it('carry their folder and come after those of folders further up', () => {
    const files = [
      { folder: 'a/b*', text: '!keep\n/top/\n' },
      { folder: '', text: '\u{feff}# comment\n*.log\r\n\n/out \n!x\\ \nsub/file\n\\#hash\n' },
    ]
    expect(flattenRules(files)).toBe(
      '*.log\n/out\n!x\\ \n/sub/file\n\\#hash\n!/a/b\\*/**/keep\n/a/b\\*/top/\n',
    )
  })

  it('mean the same inside a sub-folder', () => {
    const text = '*.log\n/pkg/*/out\n/pkg/other/x\n**/deep/y\n/pkg\npkg/one/\n!pkg/one/keep\nnode_modules/\n'
    expect(rulesInSubFolder(text, ['pkg', 'one'])).toBe('*.log\n/out\n/**/deep/y\n!/keep\nnode_modules/\n')
  })
})

describe('acceptance', () => {
  const rules = { mode: 'allowlist' as const, allow: {}, deny: {} }

  it('accepts everything without rules: an empty deny rule denies nothing', () => {
    expect(judge(rules, 'a.txt', true)).toEqual({ status: 'accepted' })
  })

  it('wants path and extension where a rule names both', () => {
    const allow = { pathGlobs: ['src/**'], extensions: ['ts', '.MD'] }
    const statuses = ['src/a.ts', 'src/a.TS', 'src/b.md', 'src/c.js', 'a.ts'].map(
      (path) => judge({ ...rules, allow }, path, false).status,
    )
    expect(statuses).toEqual(['accepted', 'accepted', 'accepted', 'ignored', 'ignored'])
  })
})

describe('reservations', () => {
  it('know what lies in what', () => {
    expect(contains('/a', '/a/b')).toBe(true)
    expect(contains('/a', '/a')).toBe(true)
    expect(contains('/a', '/ab')).toBe(false)
    expect(contains('/a', '/a/..b')).toBe(true)
    expect(contains('/', '/x')).toBe(true)
    expect(outermost(['/a/b', '/a', '/c', '/c'])).toEqual(['/a', '/c'])
    expect(resolveInProject('/real', '/link/', '/link/src')).toBe('/real/src')
    expect(resolveInProject('/real', '/link', '../x')).toBe('/x')
  })
})

describe('patch format', () => {
  const entry = (mode: string) => ({ mode, oid: '0'.repeat(40) })

  it('splits a file that became a link into a deletion and an addition, and prefixes and never quotes names', () => {
    const patch = [
      'diff --git "a/x\\ty" "b/x\\ty"',
      'deleted file mode 100644',
      'index 1..0',
      '--- "a/x\\ty"',
      '+++ /dev/null',
      '@@ -1 +0,0 @@',
      '-diff --git a/x b/x',
      'diff --git "a/x\\ty" "b/x\\ty"',
      'new file mode 120000',
      'index 0..1',
      '--- /dev/null',
      '+++ "b/x\\ty"',
      '@@ -0,0 +1 @@',
      '+target',
      '\\ No newline at end of file',
      '',
    ].join('\n')
    const changes = [{ path: 'x\ty', before: entry('100644'), after: entry('120000') }]

    expect(formatPatch(patch, changes, 'p/')).toBe(
      [
        'diff --git a/p/x\ty b/p/x\ty',
        'deleted file mode 100644',
        '--- a/p/x\ty',
        '+++ /dev/null',
        '@@ -1,1 +0,0 @@',
        '-diff --git a/x b/x',
        'diff --git a/p/x\ty b/p/x\ty',
        'new file mode 120000',
        '--- /dev/null',
        '+++ b/p/x\ty',
        '@@ -0,0 +1,1 @@',
        '+target',
        '\\ No newline at end of file',
        '',
      ].join('\n'),
    )
  })

  it('refuses a patch it does not understand instead of guessing', () => {
    const changes = [{ path: 'x', before: entry('100644'), after: entry('100644') }]
    expect(() => formatPatch('something\n', changes, '')).toThrow('unexpected shape')
    expect(() => formatPatch('diff --git a/x b/x\n@@ -1 +1 @@\n-a\n', changes, '')).toThrow(
      'unexpected shape',
    )
  })
})
