import { describe, expect, it } from 'vitest'
import { parseAuthor } from '../../adapters/project-git/author.ts'
import { list } from '../../adapters/project-git/project-paths.ts'

describe('an author', () => {
  it.each([
    ['Ann Lee <ann@example.org>', { name: 'Ann Lee', mail: 'ann@example.org' }],
    ['  Zoë  < z@example.org > ', { name: 'Zoë', mail: 'z@example.org' }],
    ['bot <>', { name: 'bot', mail: '' }],
  ])('is read from %j', (text, author) => {
    expect(parseAuthor(text)).toEqual(author)
  })

  it.each(['', 'Ann', '<a@b>', '... <a@b>', 'A <a@b> tail', 'A\nB <a@b>', 'A <a<b>', 'A\0 <a@b>'])(
    'is refused: %j',
    (text) => {
      expect(() => parseAuthor(text)).toThrow(expect.objectContaining({ code: 'VALIDATION_FIELD' }))
    },
  )
})

describe('a list of paths in a message', () => {
  it('names five and counts the rest', () => {
    expect(list(['a', 'b\n'])).toBe('"a", "b\\n"')
    expect(list(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toBe('"a", "b", "c", "d", "e" and 2 more')
  })
})
