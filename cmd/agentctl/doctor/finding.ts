/** What doctor finds. */
import type { Paint } from '../terminal.ts'

export interface Finding {
  /** Stable, for programs: `git`, `database`, `port`, … */
  readonly name: string
  /** `warn`: it works, and something is worth knowing. `fail`: it keeps runs from working. */
  readonly state: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What to do about it; null where nothing is to be done. */
  readonly fix: string | null
}

export const ok = (name: string, detail: string): Finding => ({ name, state: 'ok', detail, fix: null })
export const warn = (name: string, detail: string, fix: string): Finding => ({
  name,
  state: 'warn',
  detail,
  fix,
})
export const fail = (name: string, detail: string, fix: string): Finding => ({
  name,
  state: 'fail',
  detail,
  fix,
})

const SIGNS = { ok: ['green', 'ok  '], warn: ['yellow', 'note'], fail: ['red', 'FAIL'] } as const

export function findingsText(findings: readonly Finding[], paint: Paint): string {
  const lines = findings.flatMap(({ name, state, detail, fix }) => {
    const [style, sign] = SIGNS[state]
    return [
      `${paint(style, sign)}  ${name}: ${detail}`,
      ...(fix === null ? [] : [`      ${paint('bold', fix)}`]),
    ]
  })
  const failed = findings.filter(({ state }) => state === 'fail').length
  const end = failed === 0 ? 'Nothing keeps runs from working.' : `${failed} to mend.`
  return [...lines, '', end].join('\n')
}
