import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

export interface Config {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  readonly baseDir: string
  /** How new sandboxes are made; null: overlay where it works, else copy. */
  readonly driver: 'overlay' | 'copy' | null
  /** Required as `Authorization: Bearer` on every request when set. */
  readonly token: string | null
  /** Exit when stdin ends: the program that embeds this one has died. */
  readonly watchStdin: boolean
  readonly logLevel: string
  /** Where git is looked for. */
  readonly path: string
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly message: string }

type Environment = Readonly<Record<string, string | undefined>>

/** Reads the environment; every refusal is one sentence that names the variable. */
export function readConfig(env: Environment): ConfigResult {
  const port = Number(env['PORT'] || 15427)
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    return refuse(`PORT must be 0 to 65535, not ${env['PORT']}`)
  const driver = env['SANDBOX_DRIVER'] || null
  if (driver !== null && driver !== 'overlay' && driver !== 'copy')
    return refuse(`SANDBOX_DRIVER must be overlay or copy, not ${driver}`)
  const dataHome = env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local', 'share')
  const baseDir = env['SANDBOX_BASE_DIR'] || join(dataHome, 'agent-manager-workspace-sandbox')
  if (!isAbsolute(baseDir)) return refuse(`SANDBOX_BASE_DIR must be an absolute path, not ${baseDir}`)
  return {
    ok: true,
    config: {
      host: env['HOST'] || '127.0.0.1',
      port,
      baseDir,
      driver,
      token: env['SANDBOX_TOKEN'] || null,
      watchStdin: env['SANDBOX_WATCH_STDIN'] === '1',
      logLevel: env['LOG_LEVEL'] || 'info',
      path: env['PATH'] || '/usr/local/bin:/usr/bin:/bin',
    },
  }
}

const refuse = (message: string): ConfigResult => ({ ok: false, message })
