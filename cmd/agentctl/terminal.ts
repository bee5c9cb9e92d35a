/** Where agentctl writes, and how: colours only for people, one JSON document for programs. */
import type { Readable, Writable } from 'node:stream'
import { styleText } from 'node:util'

export type Style = Parameters<typeof styleText>[0]

type Stream<S> = S & { readonly isTTY?: boolean }

export interface Streams {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Stream<Readable>
  readonly stdout: Stream<Writable> & { readonly columns?: number }
  readonly stderr: Stream<Writable>
}

export interface Terminal {
  /** Somebody looks at stdout. */
  readonly isSeen: boolean
  /** Somebody can be asked. */
  readonly canAsk: boolean
  readonly json: boolean
  readonly columns: number
  readonly paint: Paint
  /** Lines for people; nothing with --json. */
  say(text: string): void
  /** The answer: JSON with --json, else what `show` makes of it. */
  answer(value: object, show: () => string): void
  /** Raw text for people, without a line end. */
  write(text: string): void
  /** One JSON value a line: streams with --json. */
  line(value: object): void
  /** Beside the answer: hints and progress. Nothing with --json. */
  note(text: string): void
}

export type Paint = (style: Style, text: string) => string

const plain: Paint = (_, text) => text
const coloured: Paint = (style, text) => styleText(style, text, { validateStream: false })

export function createTerminal(streams: Streams, options: { json: boolean; color: boolean }): Terminal {
  const { env, stdin, stdout, stderr } = streams
  const isSeen = stdout.isTTY === true && !options.json
  const isColoured = isSeen && options.color && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  const people = (text: string) => {
    if (!options.json && text !== '') stdout.write(text)
  }
  return {
    isSeen,
    canAsk: isSeen && stdin.isTTY === true,
    json: options.json,
    columns: stdout.columns || 100, // some terminals do not know
    paint: isColoured ? coloured : plain,
    say: (text) => people(`${text}\n`),
    write: people,
    answer: (value, show) => {
      if (options.json) stdout.write(`${JSON.stringify(value)}\n`)
      else people(ended(show()))
    },
    line: (value) => {
      if (options.json) stdout.write(`${JSON.stringify(value)}\n`)
    },
    note: (text) => {
      if (!options.json) stderr.write(ended(text))
    },
  }
}

const ended = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`)
