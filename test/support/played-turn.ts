/** Plays one turn of an adapter in a place of its own, and records what the engine would have been told. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { onTestFinished } from 'vitest'
import { checkScenario, readScenario } from '../../cmd/scripted-model/scenario.ts'
import { type ScriptedCall, startScriptedModel } from '../../cmd/scripted-model/server.ts'
import type { EventPayload, EventPayloads, NewEvent } from '../../internal/event/event.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import type {
  Delta,
  PermissionDecision,
  PermissionRequest,
  QuestionAnswer,
  QuestionRequest,
  RunnerAdapter,
  Steer,
  TurnOutcome,
  TurnRequest,
} from '../../internal/runner/port.ts'
import { MARKER } from './marked-processes.ts'

const SCENARIOS = join(import.meta.dirname, '../../cmd/scripted-model/scenarios')
export const PATH = process.env['PATH'] ?? '/usr/bin:/bin'

export interface Played {
  readonly outcome: TurnOutcome
  readonly events: readonly NewEvent[]
  readonly deltas: readonly Delta[]
  readonly asked: readonly PermissionRequest[]
  readonly questions: readonly QuestionRequest[]
  /** `sessionStarted` as it was called. */
  readonly sessions: readonly { readonly id: string; readonly resumed: boolean }[]
  readonly hidden: readonly string[]
}

export interface PlayOptions
  extends Partial<
    Pick<
      TurnRequest,
      | 'prompt'
      | 'resumePrompt'
      | 'permissionMode'
      | 'contained'
      | 'sessionId'
      | 'model'
      | 'maxTurns'
      | 'signal'
      | 'allowedTools'
      | 'deniedTools'
      | 'asksToWrite'
      | 'mcpServers'
      | 'mcpEnv'
      | 'trustProject'
      | 'startTimeoutMs'
      | 'cwd'
    >
  > {
  readonly onEvent?: (payload: EventPayload) => void
  readonly onDelta?: (delta: Delta) => void
  readonly decide?: (request: PermissionRequest) => PermissionDecision | Promise<PermissionDecision>
  readonly ask?: (request: QuestionRequest) => QuestionAnswer | Promise<QuestionAnswer>
  readonly steers?: (handler: (steer: Steer) => Promise<void>) => void
  /** What the container may write instead of the whole home. */
  readonly writableHome?: readonly string[]
}

/** A scenario as a file would say it; checked when it is played. */
export interface Script {
  readonly name: string
  readonly steps: readonly object[]
}

export interface Place {
  readonly base: string
  readonly work: string
  readonly home: string
  readonly tmp: string
  /** Value of the marker in the environment of all that a turn starts. */
  readonly mark: string
}

/** Folders for the length of one test. */
export function openPlace(name: string): Place {
  const base = mkdtempSync(join(tmpdir(), `${name}-test-`))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  const [work, home, tmp] = [join(base, 'work'), join(base, 'home'), join(base, 'tmp')]
  for (const folder of [work, home, tmp]) mkdirSync(folder)
  return { base, work, home, tmp, mark: randomUUID() }
}

/** A model that plays a scenario (a file's name, or the scenario itself) for the length of one test. */
export async function openModel(
  scenario: string | Script,
): Promise<{ readonly url: string; readonly calls: readonly ScriptedCall[] }> {
  const calls: ScriptedCall[] = []
  const model = await startScriptedModel({
    scenario:
      typeof scenario === 'string'
        ? readScenario(join(SCENARIOS, `${scenario}.json`))
        : checkScenario(scenario, scenario.name),
    onCall: (call) => calls.push(call),
  })
  onTestFinished(() => model.close())
  return { url: model.url, calls }
}

/** Runs one turn to its end. */
export async function playTurn(
  adapter: RunnerAdapter,
  launcher: Launcher,
  place: Place,
  more: PlayOptions & { readonly model: string | null },
): Promise<Played> {
  const { base, work, home, tmp, mark } = place
  const recorded = {
    events: [] as NewEvent[],
    deltas: [] as Delta[],
    asked: [] as PermissionRequest[],
    questions: [] as QuestionRequest[],
    sessions: [] as { id: string; resumed: boolean }[],
    hidden: [] as string[],
  }
  const outcome = await adapter.runTurn({
    prompt: 'Please do it.',
    resumePrompt: null,
    permissionMode: 'auto',
    contained: true,
    sessionId: null,
    openAtCut: 0,
    root: work,
    startTimeoutMs: 45_000,
    maxTurns: 20,
    allowedTools: [],
    deniedTools: [],
    asksToWrite: false,
    mcpServers: [],
    mcpEnv: {},
    trustProject: false,
    signal: new AbortController().signal,
    cwd: work,
    ...more,
    home,
    env: { PATH, TMPDIR: tmp, LANG: 'C.UTF-8', [MARKER]: mark },
    launch: (program) =>
      launcher.launch({
        ...program,
        cwd: more.cwd ?? work,
        writable: [work, tmp, ...(more.writableHome ?? [home])],
        hidden: [join(base, 'nothing')],
        network: 'allow',
      }),
    emit: (event) => {
      recorded.events.push(event)
      more.onEvent?.(event.payload)
      return Promise.resolve()
    },
    hide: (secret) => void recorded.hidden.push(secret),
    delta: (delta) => {
      recorded.deltas.push(delta)
      more.onDelta?.(delta)
    },
    decide: (request) => {
      recorded.asked.push(request)
      return Promise.resolve(
        more.decide?.(request) ?? { allow: request.reach === 'inside', message: 'Stay inside.' },
      )
    },
    ask: (request) => {
      recorded.questions.push(request)
      return Promise.resolve(more.ask?.(request) ?? { answers: null, message: 'Nobody is here.' })
    },
    sessionStarted: (id, resumed) => {
      recorded.sessions.push({ id, resumed })
      return Promise.resolve()
    },
    takeSteers: (handler) => more.steers?.(handler),
  })
  return { outcome, ...recorded }
}

/** The payloads of one kind, in order. */
export const payloadsOf = <N extends keyof EventPayloads>(played: Played, name: N): EventPayloads[N][] =>
  played.events.flatMap(({ payload }) =>
    name in payload ? [(payload as Record<N, EventPayloads[N]>)[name]] : [],
  )
