/** Why the service does not start, and the exit code that says so (sysexits). */
export const EXIT = { ok: 0, config: 64, unavailable: 69, bug: 70, schema: 78 } as const

/** A start that cannot go on; the message is a whole sentence for the operator. */
export class StartError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.name = 'StartError'
    this.code = code
  }
}
