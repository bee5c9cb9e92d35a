/** Questions to the person at the terminal. */
import {
  type CANCEL_SYMBOL,
  confirm as clackConfirm,
  select as clackSelect,
  text as clackText,
  isCancel,
} from '@clack/prompts'
import { Interrupted } from './exit.ts'

/** Throws Interrupted on Ctrl-C or Escape, as all questions do. */
export const confirm = async (message: string): Promise<boolean> =>
  answered(await clackConfirm({ message, initialValue: false }))

export interface Choice {
  readonly value: string
  readonly label: string
  readonly hint?: string
}

export const select = async (message: string, options: readonly Choice[]): Promise<string> =>
  answered(await clackSelect({ message, options: [...options] }))

export async function text(
  message: string,
  more: { initial?: string; placeholder?: string; check?(value: string): string | undefined } = {},
): Promise<string> {
  const { initial, placeholder, check } = more
  return answered(
    await clackText({
      message,
      ...(initial !== undefined && { initialValue: initial }),
      ...(placeholder !== undefined && { placeholder }),
      validate: (value) => check?.(value ?? ''),
    }),
  )
}

function answered<T>(value: T | typeof CANCEL_SYMBOL): T {
  if (isCancel(value)) throw new Interrupted('Broken off.')
  return value
}
