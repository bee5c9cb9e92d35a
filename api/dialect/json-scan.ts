/**
 * Bounds of a JSON text, checked on its bytes before it is parsed: 10 MiB of nothing but brackets or tiny members
 * keep the parser busy for more than a second, this scan for some milliseconds.
 */
import { AppError } from '../../internal/errors.ts'
import { MAX_JSON_DEPTH, MAX_JSON_ITEMS, MAX_JSON_KEYS } from '../limits.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Throws VALIDATION_FORMAT for a text that is too deep or too wide. Says nothing about being valid JSON. */
export function scanJson(text: Uint8Array, maxKeys: number = MAX_JSON_KEYS): void {
  let depth = 0
  let keys = 0
  let items = 0
  for (let at = 0; at < text.length; at++) {
    const byte: number = text[at] ?? 0
    switch (byte) {
      case QUOTE:
        at = endOfString(text, at)
        break
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1
        if (depth > MAX_JSON_DEPTH) throw tooMuch(`nests deeper than ${MAX_JSON_DEPTH} levels`)
        break
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1
        break
      case COLON:
        keys += 1
        if (keys > maxKeys) throw tooMuch(`has more than ${maxKeys} members`)
        break
      case COMMA:
        items += 1
        if (items > MAX_JSON_ITEMS) throw tooMuch(`has more than ${MAX_JSON_ITEMS} items`)
        break
    }
  }
}

/** Where the string that starts at `start` ends. Every byte of a longer UTF-8 sequence is above 0x7f. */
function endOfString(text: Uint8Array, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1
  return at
}

const tooMuch = (what: string): AppError => new AppError('VALIDATION_FORMAT', `The body ${what}; send less.`)
