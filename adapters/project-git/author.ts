import { AppError } from '../../internal/errors.ts'

interface Author {
  readonly name: string
  readonly mail: string
}

/** Git strips these at both ends of a name and refuses a name of nothing else. */
const NAME_HAS_SUBSTANCE = /[^\s.,:;<>"'\\]/

/** Reads `Name <mail>`. Throws VALIDATION_FIELD where git would refuse it. */
export function parseAuthor(author: string): Author {
  const match = /^([^<>\0\r\n]+)<([^<>\0\r\n]*)>$/.exec(author.trim())
  const name = match?.[1]?.trim() ?? ''
  if (!NAME_HAS_SUBSTANCE.test(name)) {
    throw new AppError('VALIDATION_FIELD', 'author must be of the form: Name <mail>')
  }
  return { name, mail: match?.[2]?.trim() ?? '' }
}
