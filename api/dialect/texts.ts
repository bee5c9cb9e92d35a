/** Texts that Postgres cannot keep, refused wherever they stand in a request. */
import { AppError } from '../../internal/errors.ts'
import { pathOf } from './keys.ts'

/** Throws VALIDATION_FIELD for NUL and for half of a surrogate pair, in values and in names. */
export function checkTexts(value: unknown, path = ''): void {
  if (typeof value === 'string') checkText(value, path)
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      checkTexts(item, `${path}[${index}]`)
    })
    return
  }
  for (const [key, item] of Object.entries(value)) {
    checkText(key, path)
    checkTexts(item, pathOf(path, key))
  }
}

function checkText(text: string, path: string): void {
  if (text.includes('\u0000')) throw fault(path, 'nul', 'must not contain NUL characters; remove them')
  if (!text.isWellFormed()) throw fault(path, 'unicode', 'must not contain half of a surrogate pair; mend it')
}

const fault = (field: string, rule: string, message: string): AppError =>
  new AppError('VALIDATION_FIELD', `${field || 'The request'}: ${message}.`, {
    faults: [{ field, rule, message }],
  })
