/** A diff for the eye. */
import type { RunDiff } from '../../../api/client/index.ts'
import type { Paint, Style } from '../terminal.ts'
import { safe } from './safe.ts'
import { plural } from './words.ts'

const STYLES: readonly (readonly [RegExp, Style])[] = [
  [/^(diff |index |new file|deleted file|similarity|rename |old mode|new mode|--- |\+\+\+ )/, 'bold'],
  [/^@@/, 'cyan'],
  [/^\+/, 'green'],
  [/^-/, 'red'],
]

/** The unified diff, coloured line by line. */
export function diffText(content: string, paint: Paint): string {
  return content
    .split('\n')
    .map((line) => {
      const style = STYLES.find(([pattern]) => pattern.test(line))?.[1]
      return style === undefined ? safe(line) : paint(style, safe(line))
    })
    .join('\n')
}

/** The changed files with their counts, and all together. */
export function diffStat({ files }: Pick<RunDiff, 'files'>, paint: Paint): string {
  const lines = files.map((file) => {
    const name = file.old_path === null ? file.path : `${file.old_path} -> ${file.path}`
    const counts = file.is_binary
      ? 'binary'
      : `${paint('green', `+${file.additions}`)} ${paint('red', `-${file.deletions}`)}`
    return `  ${file.change_type.padEnd(8)}  ${safe(name)}  ${counts}`
  })
  const sum = (of: 'additions' | 'deletions') => files.reduce((total, file) => total + file[of], 0)
  return [...lines, `${plural(files.length, 'file')}, +${sum('additions')} -${sum('deletions')}`].join('\n')
}
