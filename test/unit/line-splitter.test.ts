import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLineSplitter } from '../../internal/process/line-splitter.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')

describe('createLineSplitter', () => {
  it('gives lines as they are completed, and the rest at the end', () => {
    const splitter = createLineSplitter(100)

    expect(splitter.push(bytes('one\r\ntw')).map((line) => line.text)).toEqual(['one'])
    expect(splitter.push(bytes('o\n\nthr')).map((line) => line.text)).toEqual(['two', ''])
    expect(splitter.end()).toEqual([{ text: 'thr', truncated: false }])
    expect(splitter.end()).toEqual([])
  })

  it('keeps the beginning of a line that is too long, and says so', () => {
    const splitter = createLineSplitter(4)

    const lines = [...splitter.push(bytes('abcdef')), ...splitter.push(bytes('gh\nok\n'))]

    expect(lines).toEqual([
      { text: 'abcd', truncated: true },
      { text: 'ok', truncated: false },
    ])
  })

  it('gives the same lines wherever the bytes are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\n', ' ') })
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 7 }), (content, size) => {
        const splitter = createLineSplitter(1_000)
        const all = bytes(content)
        const lines: string[] = []
        for (let at = 0; at < all.length; at += size)
          lines.push(...splitter.push(all.subarray(at, at + size)).map((line) => line.text))
        lines.push(...splitter.end().map((line) => line.text))

        const expected = content.split('\n')
        if (expected.at(-1) === '') expected.pop()
        expect(lines).toEqual(expected)
      }),
    )
  })

  const linesOf = (content: Uint8Array, maxLength: number, sizes: readonly number[]) => {
    const splitter = createLineSplitter(maxLength)
    const lines = []
    for (let at = 0, turn = 0; at < content.length; turn += 1) {
      const size = sizes[turn % sizes.length]!
      lines.push(...splitter.push(content.subarray(at, at + size)))
      at += size
    }
    return [...lines, ...splitter.end()]
  }
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .array(
        fc.constantFrom('a', '\n', '\r\n', '\0', '\uFEFF', 'é', '€', '😀', '\uD800', '{"__proto__":1}'),
        { maxLength: 60 },
      )
      .map((parts) => bytes(parts.join(''))),
    // Beginnings, middles and ends of characters in any order.
    fc
      .array(fc.constantFrom(0xc3, 0xe0, 0xed, 0xf0, 0xf5, 0xff, 0x80, 0xa0, 0xbf, 0x0a, 0x0d, 0x41), {
        maxLength: 60,
      })
      .map((list) => Uint8Array.from(list)),
  )

  it('gives the same lines for any bytes, wherever they are cut, and drops none', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(anyBytes, fc.integer({ min: 1, max: 40 }), sizes, (content, maxLength, chunks) => {
        const whole = linesOf(content, maxLength, [content.length + 1])

        expect(linesOf(content, maxLength, chunks)).toEqual(whole)
        expect(whole.length).toBe(
          content.filter((byte) => byte === 10).length +
            (content.at(-1) === 10 || content.length === 0 ? 0 : 1),
        )
        for (const { text, truncated } of whole)
          if (truncated) expect(text.length).toBeLessThanOrEqual(maxLength)
      }),
      { numRuns: 2_000 },
    )
  })

  it('loses nothing of lines that fit', () => {
    fc.assert(
      fc.property(anyBytes, (content) => {
        const expected = Buffer.from(content).toString('utf8').split('\n')
        if (expected.at(-1) === '') expected.pop()

        expect(linesOf(content, 1_000, [7]).map((line) => line.text)).toEqual(
          expected.map((line) => line.replace(/\r$/, '')),
        )
      }),
      { numRuns: 2_000 },
    )
  })

  it('cuts a line that is too long between two characters, and counts no line end', () => {
    expect(linesOf(bytes('😀😀\nabcd\r\nabcde\r\n'), 4, [3])).toEqual([
      { text: '😀', truncated: true },
      { text: 'abcd', truncated: false },
      { text: 'abcd', truncated: true },
    ])
    expect(linesOf(bytes('aé😀'), 6, [100])).toEqual([{ text: 'aé', truncated: true }])
  })

  it('makes one truncated line of 100 MB and holds no more than the limit', () => {
    const splitter = createLineSplitter(8 * 1024 * 1024)
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const before = process.memoryUsage().arrayBuffers
    let most = 0

    for (let count = 0; count < 1_600; count += 1) {
      expect(splitter.push(chunk)).toEqual([])
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    const lines = splitter.push(bytes('\nnext\n'))

    expect(lines.map(({ text, truncated }) => [text.length, truncated])).toEqual([
      [8 * 1024 * 1024, true],
      [4, false],
    ])
    expect(most).toBeLessThan(40 * 1024 * 1024)
  })
})
