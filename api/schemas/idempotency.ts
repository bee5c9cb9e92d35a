/** The key of a request that is to be carried out once. */
import { z } from 'zod'

const MAX_KEY_BYTES = 500

export const keyIn = z.string().refine((key) => Buffer.byteLength(key) <= MAX_KEY_BYTES, {
  params: { rule: 'max_bytes' },
  error: `must have at most ${MAX_KEY_BYTES} bytes; shorten it`,
})

export const keyHeader = {
  'idempotency-key': keyIn.min(1, 'must not be empty').optional().meta({
    description:
      'At most 500 bytes. For 24 hours the same key with the same body gets the first answer again (`Idempotency-Replayed: true`), with another body a 422.',
  }),
}

export const keyHeaders = z.looseObject(keyHeader)
