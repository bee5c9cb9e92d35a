/** How agentctl ends. */
export const EXIT = {
  ok: 0,
  /** The service said no, or the run failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** Nobody answers at the address (EX_UNAVAILABLE of sysexits.h). */
  unreachable: 69,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const

/** The command line says something that cannot be done; the message says how to mend it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something went wrong in a way that one sentence says; none where the answer has told it already. */
export class Failed extends Error {
  override readonly name = 'Failed'
}

/** The person at the keyboard broke it off. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}
