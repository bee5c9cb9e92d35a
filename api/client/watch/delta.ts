/** Telling text on its way from events. */
import type { RunDelta, RunEvent } from '../types.ts'

export const isDelta = (item: RunEvent | RunDelta): item is RunDelta => 'delta' in item
