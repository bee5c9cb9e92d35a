/** Variables of the service's environment are named on the wire; their values never are. */
import { z } from 'zod'
import { MAX_ENV_NAMES } from '../limits.ts'

export const envNameIn = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable')
  .max(255)

export const envNamesIn = z
  .array(envNameIn)
  .max(MAX_ENV_NAMES, `must have at most ${MAX_ENV_NAMES} names; send fewer`)
  .nullish()
