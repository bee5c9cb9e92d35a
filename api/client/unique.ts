/** Keys that no other call has. */

/** 128 random bits as hex. `crypto.randomUUID` would not do: pages over plain http have no such function. */
export const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
