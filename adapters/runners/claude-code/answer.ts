/** Answers what the CLI asks while the agent works: permissions and questions, each beside the others. */
import type { PermissionDecision, Question, TurnRequest } from '../../../internal/runner/port.ts'
import type { Channel } from './channel.ts'
import { reachOf } from './reach.ts'
import { ourToolName } from './tool-names.ts'
import { type CanUseTool, type ControlRequest, canUseToolSchema, questionsSchema } from './wire.ts'

const MAX_DETAIL_LENGTH = 2_000
/** They only change how the agent goes about its work; what it then does is asked as ever. */
const HARMLESS: ReadonlySet<string> = new Set(['EnterPlanMode', 'ExitPlanMode'])
const DENIED = 'This is not permitted here.'

type Asked = Pick<TurnRequest, 'decide' | 'ask' | 'cwd' | 'root' | 'env' | 'allowedTools'>

export interface Answers {
  /** Resolves when the CLI has its answer; rejects when it cannot be reached. */
  answer(asked: ControlRequest): Promise<void>
  /** The CLI does not want to know any more. */
  withdraw(requestId: string): void
  /** The turn is over: nothing is answered any more. */
  close(): void
  /** Somebody ended the turn with a refusal. */
  readonly endedByRefusal: boolean
}

/** @param byRuleOnly tools of which the CLI lets pass by itself what a rule allows, and asks for the rest */
export function createAnswers(
  channel: Pick<Channel, 'send'>,
  request: Asked,
  byRuleOnly: ReadonlySet<string>,
): Answers {
  const open = new Map<string, AbortController>()
  let isOver = false
  let endedByRefusal = false

  const reply = async (asked: CanUseTool, withdrawn: AbortSignal): Promise<object> => {
    if (HARMLESS.has(asked.tool_name)) return allow(asked.input)
    if (asked.tool_name === 'AskUserQuestion') return replyToQuestion(request, asked, withdrawn)
    if (byRuleOnly.has(asked.tool_name))
      return deny(`Only this is allowed of ${asked.tool_name}: ${request.allowedTools.join(', ')}.`)
    const decision = await decide(request, asked, withdrawn)
    if (decision.allow) return allow(isObject(decision.input) ? decision.input : asked.input)
    if (decision.interrupt !== true) return deny(decision.message || DENIED)
    endedByRefusal ||= !withdrawn.aborted
    return { ...deny(decision.message || DENIED), interrupt: true }
  }

  return {
    get endedByRefusal() {
      return endedByRefusal
    },
    async answer({ request_id: requestId, request: what }) {
      const asked = canUseToolSchema.safeParse(what)
      if (!asked.success) {
        const error = `${what.subtype} is not supported here`
        return channel.send(responseOf({ subtype: 'error', request_id: requestId, error }))
      }
      const withdrawn = new AbortController()
      if (isOver) withdrawn.abort()
      open.set(requestId, withdrawn)
      try {
        const response = await reply(asked.data, withdrawn.signal)
        if (withdrawn.signal.aborted) return
        await channel.send(responseOf({ subtype: 'success', request_id: requestId, response }))
      } finally {
        open.delete(requestId)
      }
    },
    withdraw: (requestId) => open.get(requestId)?.abort(),
    close() {
      isOver = true
      for (const withdrawn of open.values()) withdrawn.abort()
    },
  }
}

async function decide(
  request: Asked,
  asked: CanUseTool,
  withdrawn: AbortSignal,
): Promise<PermissionDecision> {
  const temporary = request.env['TMPDIR']
  const own = [request.root, ...(temporary === undefined ? [] : [temporary])]
  const { reach, path } = await reachOf(asked, request.cwd, own)
  return request.decide({
    toolName: ourToolName(asked.tool_name),
    reach,
    detail: detailOf(asked, path),
    input: asked.input,
    path,
    withdrawn,
  })
}

const responseOf = (response: object): object => ({ type: 'control_response', response })
const allow = (input: object): object => ({ behavior: 'allow', updatedInput: input })
const deny = (message: string): object => ({ behavior: 'deny', message })

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function replyToQuestion(request: Asked, asked: CanUseTool, withdrawn: AbortSignal): Promise<object> {
  const parsed = questionsSchema.safeParse(asked.input)
  if (!parsed.success) return deny('The question could not be read.')
  const questions: Question[] = parsed.data.questions.map((one) => ({
    question: one.question,
    header: one.header ?? null,
    options: one.options.map(({ label, description }) => ({ label, description: description ?? null })),
    multiSelect: one.multiSelect,
  }))
  const answer = await request.ask({ questions, input: asked.input, withdrawn })
  return answer.answers === null
    ? deny(answer.message || 'Nobody answered.')
    : allow({ ...asked.input, answers: answer.answers })
}

/** What it is about, for a person: the path, command or address, else what the CLI says of it, else its input. */
function detailOf(asked: CanUseTool, path: string | null): string {
  const { command, url, query, file_path: file } = asked.input
  const named = [command, url, query, path, file].find((value) => typeof value === 'string')
  const detail = typeof named === 'string' ? named : (asked.description ?? JSON.stringify(asked.input))
  return detail.slice(0, MAX_DETAIL_LENGTH)
}
