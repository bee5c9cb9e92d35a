/** Small use cases of what can be done with runs beyond creating and reading one, for tests of the boundary. */
import type { ApiDeps } from '../../api/deps.ts'
import type { Artifact } from '../../internal/artifact/artifact.ts'
import { AppError } from '../../internal/errors.ts'
import type { AdmissionCheck } from '../../internal/run/admission.ts'
import type { RunWish } from '../../internal/run/run-plan.ts'
import { transcriptOf } from '../../internal/transcript/transcript.ts'
import { anEvent, aRun, NOW, RUN_ID } from './api-values.ts'

/** What they were asked, by name. */
export interface AskedOfRuns {
  tag?: string
  preflight?: RunWish
  retry?: { id: string; prompt: string | null; tag: string | null }
  fork?: { id: string; message: string | null; fromTurn: number | null }
  stopTag?: { tag: string; actor: string }
  stopAll?: { tagPrefix: string | null; actor: string }
  deleted?: { id: string; actor: string }
  messages?: { afterSequence: number; limit: number }
}

export const missingRun = (id: string): AppError => new AppError('NOT_FOUND_RUN', `There is no run ${id}.`)

export const A_BROKEN_CHECK: AdmissionCheck = {
  name: 'runner',
  ok: false,
  code: 'RUNNER_UNAVAILABLE',
  detail: 'claude is not installed',
  fix: 'Install it.',
  faults: [],
}

export const copyUseCases = (
  asked: AskedOfRuns,
): Pick<ApiDeps['runs'], 'getByTag' | 'preflight' | 'retry' | 'fork'> => ({
  getByTag: async (tag) => {
    asked.tag = tag
    if (tag === 'none') throw missingRun(tag)
    return aRun({ tag })
  },
  preflight: async (wish) => {
    asked.preflight = wish
    const { config, configSources: sources } = aRun()
    return {
      checks: [{ ...A_BROKEN_CHECK, name: 'task', ok: true, code: null, fix: null }, A_BROKEN_CHECK],
      task: null,
      profile: null,
      resolved: wish.profileId === null ? { config, sources, mode: 'sandboxed' } : null,
      prompt: null,
    }
  },
  fork: async (id, request) => {
    asked.fork = { id, ...request }
    if (id !== RUN_ID) throw missingRun(id)
    return aRun({ forkOf: { runId: id, turn: request.fromTurn ?? 1 } })
  },
  retry: async (id, change) => {
    asked.retry = { id, ...change }
    if (id !== RUN_ID) throw missingRun(id)
    return aRun({ retryOf: id })
  },
})

export const endingUseCases = (asked: AskedOfRuns): ApiDeps['ending'] => ({
  stopByTag: async (tag, actor) => {
    asked.stopTag = { tag, actor }
    return aRun({ tag, stopping: true })
  },
  stopAll: async (tagPrefix, actor) => {
    asked.stopAll = { tagPrefix, actor }
    return { stopped: 2, failures: [{ runId: RUN_ID, error: 'an approval is being carried out' }] }
  },
  delete: async (id, actor) => {
    asked.deleted = { id, actor }
    if (id !== RUN_ID) throw missingRun(id)
  },
})

const CONVERSATION = transcriptOf([
  anEvent(3, {
    input: { input_id: 'i1', status: 'delivered', delivery: 'queue', content: 'do it', source: 'prompt' },
  }),
  anEvent(4, { thinking: { text: 'hm' } }),
  anEvent(5, { tool_call: { tool_name: 'shell', input: { someKey: 1 }, tool_call_id: 'c1' } }),
  anEvent(6, {
    tool_result: { tool_name: 'shell', tool_call_id: 'c1', output: 'out', error: null, success: true },
  }),
  anEvent(7, {
    interaction: {
      interaction_id: 'q1',
      kind: 'question',
      status: 'pending',
      tool_name: null,
      decision: null,
      decided_by: null,
      reason: 'Which color?',
    },
  }),
])

export const transcriptUseCases = (asked: AskedOfRuns): ApiDeps['transcripts'] => ({
  page: async (runId, request) => {
    asked.messages = request
    if (runId !== RUN_ID) throw missingRun(runId)
    return { entries: CONVERSATION, nextAfter: 7, hasMore: true }
  },
})

export const explainUseCases: ApiDeps['explain'] = {
  explain: async (runId) => {
    if (runId !== RUN_ID) throw missingRun(runId)
    return {
      runId,
      status: 'pending',
      waitingOn: { kind: 'capacity', detail: 'waits for a slot', since: NOW, estimate: null },
      checks: [{ name: 'queue', ok: false, detail: '3 before it' }],
      nextStep: 'Nothing to do.',
      estimate: '90s',
    }
  },
}

export const AN_ARTIFACT: Artifact = {
  id: 'diff.1',
  runId: RUN_ID,
  type: 'diff',
  name: 'turn-1.diff',
  size: 10,
  contentType: 'text/x-diff; charset=utf-8',
  sha256: 'abc',
  createdAt: NOW,
}

export const artifactUseCases: ApiDeps['artifacts'] = {
  list: async (runId) => {
    if (runId !== RUN_ID) throw missingRun(runId)
    return [AN_ARTIFACT]
  },
  open: async (id) => {
    if (id !== AN_ARTIFACT.id) throw new AppError('NOT_FOUND_ARTIFACT', `There is no artifact ${id}.`)
    return { artifact: AN_ARTIFACT, content: Buffer.from('0123456789') }
  },
}
