/** The opencode CLI this adapter is made for, as a package of its own. */
import { join } from 'node:path'
import { type InstallOptions, installCli } from '../../../internal/runner/cli-package.ts'
import { nativePrograms } from './find.ts'

/**
 * The native opencode program of the pinned version; installed by `npm ci` when it is not there yet.
 * @returns its absolute path
 * @throws Error as `installCli` does
 */
export const installOpencode = (options: InstallOptions): Promise<string> =>
  installCli(
    { name: 'opencode', folder: join(import.meta.dirname, 'cli'), programs: nativePrograms() },
    options,
  )
