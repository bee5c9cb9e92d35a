/** What can hold a run up, each looked at by itself: only what concerns its status is told. Pure. */
import { formatDuration } from '../duration.ts'
import type { Interaction } from '../interaction/interaction.ts'
import { isDriven, isFinal } from '../run/run.ts'
import type { ExplainCheck, ExplainFacts } from './facts.ts'

/** Open questions that are told one by one. */
const MAX_TOLD = 10

export const checksOf = (facts: ExplainFacts): ExplainCheck[] =>
  [
    ...[stopping, interrupting, queue, capacity, claiming, lease].map((check) => check(facts)),
    ...facts.interactions.slice(0, MAX_TOLD).map((open) => interaction(open)),
    ...[approval, review, failure, inputs, sandbox].map((check) => check(facts)),
    ...facts.needs,
  ].filter((check) => check !== null)

type Check = (facts: ExplainFacts) => ExplainCheck | null

const stopping: Check = ({ run, stop }) =>
  stop === null || isFinal(run.status)
    ? null
    : { name: 'stopping', ok: false, detail: `${stop.by} stopped it at ${stop.requestedAt.toISOString()}` }

const interrupting: Check = ({ run, interruptedBy }) =>
  interruptedBy === null || !isDriven(run.status)
    ? null
    : { name: 'interrupting', ok: false, detail: `${interruptedBy} wants its turn to end` }

const isQueued = ({ run }: ExplainFacts): boolean => run.status === 'pending' && run.pendingInteractions === 0

const queue: Check = (facts) => {
  if (!isQueued(facts)) return null
  const { ahead } = facts.queue
  return { name: 'queue', ok: ahead === 0, detail: ahead === 0 ? 'it is the next' : `${ahead} before it` }
}

const capacity: Check = (facts) => {
  if (!isQueued(facts)) return null
  const { places, taken } = facts.replica
  const detail = `${taken} of ${places} places of this replica are taken (AGENT_MANAGER_CONCURRENCY_MAX_CONCURRENT_RUNS); ${facts.queue.driven} runs are worked on by all replicas`
  return { name: 'capacity', ok: taken < places, detail }
}

const claiming: Check = ({ run, replica }) =>
  run.status !== 'pending'
    ? null
    : {
        name: 'claim_loop',
        ok: replica.isClaiming,
        detail: replica.isClaiming ? 'this replica takes runs' : 'this replica has not taken runs lately',
      }

const lease: Check = ({ lease: held, now }) => {
  if (held === null) return null
  const { owner, host, heartbeatAt, expiresAt, isOwnerGone } = held
  const age = heartbeatAt === null ? 'never' : ago(now, heartbeatAt)
  const who = `replica ${owner} on ${host}`
  if (isOwnerGone) return { name: 'lease', ok: false, detail: `${who} is gone; its run is taken over` }
  const left = expiresAt.getTime() - now.getTime()
  if (left <= 0)
    return { name: 'lease', ok: false, detail: `${who}: last heard of ${age}, the lease is over` }
  const ends = formatDuration(Math.ceil(left / 1000) * 1000)
  return { name: 'lease', ok: true, detail: `${who}: last heard of ${age}, the lease ends in ${ends}` }
}

const interaction = ({ id, kind, toolName, detail, deadlineAt }: Interaction): ExplainCheck => {
  const what = kind === 'question' ? detail : `${toolName ?? 'something'}: ${detail}`
  return {
    name: `interaction_${kind}`,
    ok: false,
    detail: `a person must answer ${id} until ${deadlineAt.toISOString()} (${what}); then the default is taken`,
  }
}

const approval: Check = ({ run, approval: saga }) => {
  if (saga === null) return null
  const { state, actor, error, commitHash } = saga
  if (state === 'done') {
    const commit = commitHash === null ? 'nothing was committed' : `committed as ${commitHash}`
    return { name: 'approval', ok: true, detail: `approved by ${actor}, ${commit}` }
  }
  if (state === 'failed')
    return { name: 'approval', ok: false, detail: `the approval by ${actor} failed: ${error ?? 'no reason'}` }
  const since = error === null ? '' : `, held up: ${error}`
  return run.status === 'needs_review'
    ? {
        name: 'approval',
        ok: false,
        detail: `the approval by ${actor} is being carried out (${state})${since}`,
      }
    : null
}

const review: Check = ({ run }) => {
  if (run.diff === null) return null
  const { files, additions, deletions, digest } = run.diff
  const detail = `${files} files, +${additions} -${deletions}, digest ${digest}`
  return { name: 'changes', ok: run.status !== 'needs_review', detail }
}

const failure: Check = ({ run }) => {
  if (run.failure === null) return null
  const { code, message, recovery } = run.failure
  return { name: 'failure', ok: false, detail: `${code}: ${message} (recovery: ${recovery})` }
}

const inputs: Check = ({ queuedInputs }) =>
  queuedInputs === 0 ? null : { name: 'inputs', ok: true, detail: `${queuedInputs} wait to be told` }

const sandbox: Check = ({ run, sandbox: held }) => {
  if (held === null) return null
  const generation = `sandbox ${held.id}, generation ${run.sandboxGeneration}`
  if (held.removedAt !== null)
    return {
      name: 'sandbox',
      ok: isFinal(run.status),
      detail: `${generation}: removed ${held.removedAt.toISOString()}`,
    }
  if (held.state === null)
    return { name: 'sandbox', ok: false, detail: `${generation}: its service does not answer` }
  const ok = held.state !== 'gone' && held.state !== 'error'
  return { name: 'sandbox', ok: ok || isFinal(run.status), detail: `${generation}: ${held.state}` }
}

const ago = (now: Date, then: Date): string =>
  `${formatDuration(Math.round(Math.max(now.getTime() - then.getTime(), 0) / 1000) * 1000)} ago`
