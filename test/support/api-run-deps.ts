/** Small use cases of what can be done with runs beyond creating and reading one, for tests of the boundary. */
import type { ApiDeps } from '../../api/deps.ts'
import { AppError } from '../../internal/errors.ts'
import type { AdmissionCheck } from '../../internal/run/admission.ts'
import type { RunWish } from '../../internal/run/run-plan.ts'
import { aRun, RUN_ID } from './api-values.ts'

/** What they were asked, by name. */
export interface AskedOfRuns {
  tag?: string
  preflight?: RunWish
  retry?: { id: string; prompt: string | null; tag: string | null }
  stopTag?: { tag: string; actor: string }
  stopAll?: { tagPrefix: string | null; actor: string }
  deleted?: { id: string; actor: string }
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
): Pick<ApiDeps['runs'], 'getByTag' | 'preflight' | 'retry'> => ({
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
