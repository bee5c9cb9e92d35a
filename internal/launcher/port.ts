/**
 * The launcher port: start one foreign program, contained as well as this machine allows, and end it
 * together with everything it started. What attaches to a running process later (runs that outlive the
 * service) will implement the same `LaunchedProcess`.
 */
import type { Readable, Writable } from 'node:stream'

/** How far the program is held: its own mounts and PIDs, its own PIDs, or not at all. */
export type Containment = 'full' | 'process' | 'none'

export interface LaunchRequest {
  /** Program and arguments, no shell. Values of users never come first and never start with a dash. */
  readonly argv: readonly [string, ...string[]]
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute; must lie in one of the writable folders. */
  readonly cwd: string
  /**
   * Absolute paths of folders and single files the program may write; everything else is read-only or hidden. What
   * does not exist is left out: make it first. A single file can be written, not replaced or removed.
   */
  readonly writable: readonly string[]
  /**
   * Absolute paths it can read and not write, although a hidden or writable folder holds them; what does not exist is
   * left out.
   */
  readonly readable: readonly string[]
  /** Absolute folders it must not see: the operator's home, our data folder. */
  readonly hidden: readonly string[]
  readonly network: 'allow' | 'deny'
}

export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface LaunchedProcess {
  /** Host pid of the outermost process, for logs. */
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** Resolves when the outermost process is gone; never rejects. */
  readonly exited: Promise<ExitStatus>
  /**
   * Ends the program and every descendant: SIGTERM, and SIGKILL after `graceMs`. Resolves when all are
   * gone. May be called more than once.
   */
  stop(graceMs: number): Promise<ExitStatus>
}

export interface Launcher {
  readonly containment: Containment
  /** Rejects when the program cannot be started; nothing is left behind then. */
  launch(request: LaunchRequest): Promise<LaunchedProcess>
}
