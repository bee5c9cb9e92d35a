/** A refusal in the contract's words: HTTP status, a sentence, and for some classes a hint and details. */
export class ServiceFailure extends Error {
  readonly status: number
  readonly hint: string | null
  readonly details: Readonly<Record<string, unknown>> | null
  readonly retryable: boolean

  constructor(
    status: number,
    message: string,
    more: { hint?: string; details?: Readonly<Record<string, unknown>>; retryable?: boolean } = {},
  ) {
    super(message)
    this.name = 'ServiceFailure'
    this.status = status
    this.hint = more.hint ?? null
    this.details = more.details ?? null
    this.retryable = more.retryable ?? false
  }

  /** The contract's error body. */
  body(): Record<string, unknown> {
    return {
      error: this.message,
      code: this.status,
      success: false,
      ...(this.hint === null ? {} : { hint: this.hint }),
      ...(this.retryable ? { retryable: true } : {}),
      ...(this.details === null ? {} : { details: this.details }),
    }
  }
}

export const badRequest = (message: string): ServiceFailure => new ServiceFailure(400, message)

export const sandboxNotFound = (id: string): ServiceFailure =>
  new ServiceFailure(404, `sandbox not found: ${id}`, { hint: 'list the sandboxes to see which exist' })

export const wrongState = (operation: string, status: string): ServiceFailure =>
  new ServiceFailure(409, `cannot ${operation} a sandbox that is ${status}`, {
    hint: 'read the sandbox to see its present status',
  })

/** The driver could not do its work; nothing is known to be lost, so the caller may try again. */
export const driverFailure = (what: string, cause: unknown): ServiceFailure =>
  new ServiceFailure(500, `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    retryable: true,
    hint: 'try again; if it stays, delete the sandbox and create a new one',
  })

export const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.some((code) => code === error.code)
