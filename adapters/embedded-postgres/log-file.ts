/** The file that takes what Postgres says. Kept small, also under a postmaster that has it open already. */
import { copyFileSync, truncateSync } from 'node:fs'
import { statOf } from './layout.ts'

const LOG_LIMIT_BYTES = 10 * 1024 * 1024

/**
 * Beyond the limit the content moves to `<file>.1`, replacing what was there. Copied and emptied instead of
 * renamed: the postmaster appends to the open file, and a line written in between is the price.
 */
export function boundLog(file: string, limitBytes = LOG_LIMIT_BYTES): void {
  if ((statOf(file)?.size ?? 0) <= limitBytes) return
  copyFileSync(file, `${file}.1`)
  truncateSync(file)
}
