/** The folder that everything embedded writes to. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../internal/errors.ts'
import { EXIT, StartError } from './exit.ts'

/** @returns the id that marks this installation's processes */
export function openDataDir(dataDir: string): string {
  const file = join(dataDir, 'installation-id')
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    writeFileSync(file, `${randomUUID()}\n`, { flag: 'a', mode: 0o600 })
    return readFileSync(file, 'utf8').split('\n')[0] ?? ''
  } catch (error) {
    throw new StartError(
      EXIT.config,
      `AGENT_MANAGER_DATA_DIR ${dataDir} cannot be written: ${messageOf(error)}`,
    )
  }
}
