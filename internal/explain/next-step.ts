/** One sentence on how a run goes on, for every status: who has to do what, and by which route. Pure. */
import type { ExplainFacts } from './facts.ts'

export function nextStep(facts: ExplainFacts): string {
  const { run } = facts
  switch (run.status) {
    case 'pending':
      return waiting(facts)
    case 'starting':
    case 'running':
      return driven(facts)
    case 'needs_review':
      return review(facts)
    case 'complete':
      return complete(facts)
    case 'failed':
      return failed(facts)
    case 'cancelled':
      return `It was stopped. ${ONCE_MORE(run.id)}`
  }
}

const route = (id: string, rest: string): string => `/api/v1/runs/${id}/${rest}`
const ONCE_MORE = (id: string): string =>
  `Go on in its session with POST ${route(id, 'continue')}, or repeat it as a new run with POST ${route(id, 'retry')}.`

function answer({ run, interactions }: ExplainFacts): string | null {
  const [first] = interactions
  if (!first) return null
  const more = interactions.length > 1 ? ` (and ${interactions.length - 1} more)` : ''
  return `Answer with POST ${route(run.id, `interactions/${first.id}/answer`)}${more}; at ${first.deadlineAt.toISOString()} the default is taken.`
}

function waiting(facts: ExplainFacts): string {
  const asked = answer(facts)
  if (asked !== null) return asked
  const { replica, queue, needs } = facts
  const missing = needs.find(({ ok }) => !ok)
  if (missing) return `It would fail when it starts: mend ${missing.name} (${missing.detail}).`
  if (!replica.isClaiming)
    return "Look at GET /readyz and at the service's log: this replica takes no runs just now."
  if (queue.ahead < replica.places - replica.taken) return 'Nothing to do: it starts in a moment.'
  return 'Nothing to do: it starts when a place is free. Stop other runs, or have the operator raise AGENT_MANAGER_CONCURRENCY_MAX_CONCURRENT_RUNS, to have it sooner.'
}

function driven(facts: ExplainFacts): string {
  const { run, stop, lease, now, interruptedBy } = facts
  if (lease && (lease.isOwnerGone || lease.expiresAt <= now))
    return 'Nothing to do: its replica is gone; another one takes it over in a moment.'
  if (stop !== null) return 'Nothing to do: it is being stopped.'
  const asked = answer(facts)
  if (asked !== null) return asked
  if (interruptedBy !== null) return 'Nothing to do: its turn is being ended.'
  if (run.status === 'starting') return 'Nothing to do: its sandbox and its agent are being started.'
  return `Nothing to do: the agent works. Watch GET ${route(run.id, 'events')}, tell it more with POST ${route(run.id, 'continue')}, end its turn with POST ${route(run.id, 'interrupt')}.`
}

function review({ run, approval }: ExplainFacts): string {
  if (approval && !['done', 'failed'].includes(approval.state)) {
    return approval.error === null
      ? 'Nothing to do: its approval is being carried out.'
      : 'Nothing to do: its approval is tried again by itself as soon as what holds it up is there again.'
  }
  const look = `Look at GET ${route(run.id, 'diff')}, then decide with POST ${route(run.id, 'approve')} (send its digest) or POST ${route(run.id, 'reject')}`
  return `${look}, or tell the agent more with POST ${route(run.id, 'continue')}.`
}

function complete({ run }: ExplainFacts): string {
  const more = `Tell the agent more with POST ${route(run.id, 'continue')}.`
  switch (run.approvalState) {
    case 'approved':
    case 'partially_approved':
      return `Nothing to do: its changes are in the project. ${more}`
    case 'rejected':
      return `Nothing to do: its changes were rejected. ${ONCE_MORE(run.id)}`
    case 'none':
    case 'pending':
      return `Nothing to do: it ended and there was nothing to decide. ${more}`
  }
}

function failed({ run }: ExplainFacts): string {
  switch (run.failure?.recovery) {
    case 'fix_input':
      return `Mend what the failure names, then repeat it with POST ${route(run.id, 'retry')}.`
    case 'wait':
      return `Wait until the limit that the failure names is over. ${ONCE_MORE(run.id)}`
    case 'retry_backoff':
      return `What failed may work later. ${ONCE_MORE(run.id)}`
    case 'use_alternative':
      return 'Create a run with another runner or model (POST /api/v1/runs).'
    case 'escalate':
      return `Ask the operator to look for ${run.id} in the service's log. ${ONCE_MORE(run.id)}`
    case 'none':
    case undefined:
      return ONCE_MORE(run.id)
  }
}
