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
})
