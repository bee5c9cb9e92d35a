/** What a first run needs to know: from the flags, else from the person, else what is plain. */
import { resolve } from 'node:path'
import type { ProfileRequest, Runner } from '../../../api/client/index.ts'
import { select, text } from '../ask.ts'
import { Failed, UsageError } from '../exit.ts'
import type { Session } from '../session.ts'
import { runnerWord } from '../show/words.ts'

export interface WishGiven {
  readonly project?: string
  readonly runner?: string
  readonly model?: string
  readonly mode?: string
  readonly task?: string
}

type RunnerType = NonNullable<ProfileRequest['runner_type']>
type Mode = NonNullable<ProfileRequest['permission_mode']>

export interface Wish {
  /** Absolute. */
  readonly project: string
  readonly runner: RunnerType
  /** null: the runner's own default. */
  readonly model: string | null
  /** null: the service's default. */
  readonly mode: Mode | null
  readonly task: string
}

/** Throws Failed where no agent program can be used, Interrupted where the person breaks it off. */
export async function askWish(session: Session, given: WishGiven): Promise<Wish> {
  const { canAsk } = session.terminal
  const usable = (await session.client.runners.list()).filter((one) => one.available && one.version_supported)
  const project = given.project ?? (canAsk ? await askProject() : '.')
  const runner = await chooseRunner(usable, given.runner, canAsk)
  const model = given.model ?? (canAsk ? await askModel() : '')
  return {
    project: resolve(project),
    runner: runner.runner_type,
    model: model === '' ? null : model,
    mode: modeOf(given.mode, runner),
    task: given.task ?? (await text('What is to be done?', { check: required })),
  }
}

const required = (value: string): string | undefined => (value.trim() === '' ? 'Say something.' : undefined)

const askProject = (): Promise<string> =>
  text('Where? The folder of the project', { initial: '.', check: required })
const askModel = (): Promise<string> => text('Which model?', { placeholder: "the agent's own default" })

async function chooseRunner(
  usable: readonly Runner[],
  wanted: string | undefined,
  canAsk: boolean,
): Promise<Runner> {
  const [first] = usable
  if (first === undefined) {
    throw new Failed(
      'No agent program can be used on the machine of the service: agentctl doctor says what to install.',
    )
  }
  const names = usable.map((one) => runnerWord(one.runner_type))
  const options = usable.map((one, index) => ({
    value: names[index] ?? '',
    label: names[index] ?? '',
    hint: one.version ?? '',
  }))
  const name = wanted ?? (canAsk && usable.length > 1 ? await select('Who? The agent', options) : names[0])
  const chosen = usable.find((one) => runnerWord(one.runner_type) === name)
  if (chosen === undefined)
    throw new UsageError(`--runner ${name} cannot be used there; ${names.join(', ')} can.`)
  return chosen
}

function modeOf(wanted: string | undefined, { capabilities, runner_type: type }: Runner): Mode | null {
  if (wanted === undefined) return null
  const mode = capabilities.permission_modes.find((one) => one === wanted)
  if (mode !== undefined) return mode
  throw new UsageError(
    `--mode ${wanted}: ${runnerWord(type)} takes ${capabilities.permission_modes.join(', ')}.`,
  )
}
