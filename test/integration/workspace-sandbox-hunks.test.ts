import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { applyHunks, type Hunk, readHunks } from '../../cmd/workspace-sandbox/hunks.ts'
import { makeFolder } from '../support/sandbox-project.ts'

const ENV = { PATH: process.env['PATH'] ?? '', GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }

const LINE = fc.constantFrom(
  'a',
  'b',
  '-- c',
  '++ d',
  '@@ -1 +1 @@',
  'diff --git a/x b/x',
  '\\ e',
  '\u00ff\r',
  '',
)
/** A file of up to 60 lines as bytes (latin1), with or without a line break at its end. */
const FILE = fc
  .tuple(fc.array(LINE, { maxLength: 60 }), fc.boolean())
  .map(([lines, ends]) => (lines.length === 0 ? '' : lines.join('\n') + (ends ? '\n' : '')))
/** Edits that leave most lines as they are, so that there are several hunks. */
const EDITS = fc.array(fc.tuple(fc.nat(60), fc.nat(2), fc.array(LINE, { maxLength: 2 })), { maxLength: 5 })

function edited(text: string, edits: [number, number, string[]][]): string {
  const lines = text.split('\n')
  for (const [at, gone, added] of edits) lines.splice(at % (lines.length + 1), gone, ...added)
  return lines.join('\n')
}

/** Git looks for a hunk at its new start, so that has to tell the truth: without the hunks left out before it. */
function choiceOf(texts: string[], hunks: Hunk[], chosen: boolean[]): string {
  let missing = 0
  return texts
    .map((text, index) => {
      const { newStart, oldCount, newCount } = hunks[index]!
      if (!chosen[index]) missing += newCount - oldCount
      return chosen[index] ? text.replace(/\+\d+/, `+${newStart - missing}`) : ''
    })
    .join('')
}

it('any choice of hunks gives what git makes of them, and the rest of them the whole', async () => {
  const folder = await makeFolder()
  const run = (okCodes: number[], input: string, ...args: string[]): string => {
    try {
      return execFileSync('git', args, {
        cwd: folder,
        env: ENV,
        input: Buffer.from(input, 'latin1'),
      }).toString('latin1')
    } catch (error) {
      if (error instanceof Error && 'status' in error && okCodes.includes(Number(error.status)))
        return (error as unknown as { stdout: Buffer }).stdout.toString('latin1')
      throw error
    }
  }
  const diff = (before: string, after: string): string => {
    writeFileSync(join(folder, 'x'), before, 'latin1')
    writeFileSync(join(folder, 'y'), after, 'latin1')
    return run([1], '', 'diff', '--no-index', '--no-color', '-U3', '--', 'x', 'y').replaceAll('b/y', 'b/x')
  }
  fc.assert(
    fc.property(FILE, EDITS, fc.infiniteStream(fc.boolean()), (before, edits, coin) => {
      const after = edited(before, edits)
      const patch = diff(before, after)
      const hunks = readHunks(patch)
      const [header = '', ...texts] = patch.split(/^(?=@@ )/m)
      expect(texts).toHaveLength(hunks.length)
      const chosen = hunks.map(() => coin.next().value)
      const old = Buffer.from(before, 'latin1')
      const wanted = Buffer.from(after, 'latin1')

      const result = applyHunks(
        old,
        wanted,
        hunks.filter((_, index) => chosen[index]),
      )

      if (chosen.includes(true) && before !== '') {
        writeFileSync(join(folder, 'x'), before, 'latin1')
        run([], header + choiceOf(texts, hunks, chosen), 'apply', '--whitespace=nowarn', '-')
        expect(result.toString('latin1')).toBe(readFileSync(join(folder, 'x'), 'latin1'))
      }
      const rest = readHunks(diff(result.toString('latin1'), after))
      expect(applyHunks(result, wanted, rest)).toEqual(wanted)
    }),
    { numRuns: 150 },
  )
}, 60_000)
