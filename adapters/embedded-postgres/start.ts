/** From "somebody may have left a postmaster" to "one is running and answers". */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { cannotRun } from './failure.ts'
import { clusterOf, statOf } from './layout.ts'
import { occupantOf } from './pid-file.ts'
import {
  adoptPostmaster,
  type LaunchOptions,
  launchPostmaster,
  type Postmaster,
  stopPostmaster,
} from './postmaster.ts'
import { type Login, probe } from './probe.ts'
import type { Log } from './supervisor.ts'

export interface StartOptions extends LaunchOptions {
  readonly login: Login
  readonly logger: Log
}

/** Long enough for a crash recovery of `max_wal_size`. */
const READY_DEADLINE_MS = 60_000
/** A postmaster listens before it recovers and until it ends: one that does not for so long is stuck. */
const LISTEN_DEADLINE_MS = 10_000
const POLL_MS = 50
const RETRY_MS = 200

/**
 * Takes over the living postmaster of a service that was killed.
 * @returns undefined when there is none (left), so that a new one can be started
 * @throws EmbeddedPostgresError when it does not let us in
 */
export async function adoptLiving(options: StartOptions): Promise<Postmaster | undefined> {
  const occupant = occupantOf(clusterOf(options.strategy.home))
  if (occupant.kind !== 'postmaster') {
    await refuseUnseen(options)
    return undefined
  }
  const postmaster = adoptPostmaster(occupant.mark)
  options.logger.info({ pid: postmaster.pid }, 'embedded postgres of an earlier service found')
  const outcome = await waitUntilReady(postmaster, options.login)
  if (outcome.kind === 'ready') return postmaster
  if (outcome.kind === 'ended') return undefined // it was on its way out
  if (outcome.kind === 'refused')
    throw cannotRun(`the one that runs (pid ${postmaster.pid}) says: ${outcome.why}`)
  if (!occupant.certain)
    throw cannotRun(`${options.strategy.home} has a postmaster.pid of a process that is silent`)
  options.logger.warn({ pid: postmaster.pid, why: outcome.why }, 'embedded postgres is stuck, replacing it')
  if (!(await stopPostmaster(postmaster)))
    throw cannotRun(`the old one (pid ${postmaster.pid}) does not stop`)
  return undefined
}

/**
 * A postmaster in another container that shares the folder has no pid here and no shared memory that the new
 * one would notice: two would ruin the files. Its socket gives it away.
 */
async function refuseUnseen({ login, strategy }: StartOptions): Promise<void> {
  const answer = await probe(login)
  if (answer.kind === 'wait' && !answer.isListening) return
  throw cannotRun(`something that is not to be seen from here (another container?) serves ${strategy.home}`)
}

/**
 * Starts one and waits until it answers, crash recovery included.
 * @throws EmbeddedPostgresError with the end of its log; then nothing runs any more
 */
export async function startFresh(options: StartOptions): Promise<Postmaster> {
  const deadline = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const logged = statOf(options.log)?.size ?? 0
    const postmaster = await launchPostmaster(options)
    const outcome = await waitUntilReady(postmaster, options.login)
    if (outcome.kind === 'ready') return postmaster
    await stopPostmaster(postmaster)
    const said = readFileSync(options.log).subarray(logged).toString('utf8')
    if (!hasSurvivors(said) || performance.now() > deadline)
      throw cannotRun(describe(outcome.why, said, options.log))
    await sleep(RETRY_MS)
  }
}

/** Children of a postmaster that was killed run on until they notice; Postgres refuses to start before. */
const hasSurvivors = (log: string): boolean => log.includes('pre-existing shared memory block')

type Outcome =
  | { readonly kind: 'ready' }
  | { readonly kind: 'ended' | 'refused' | 'late'; readonly why: string }

async function waitUntilReady(postmaster: Postmaster, login: Login): Promise<Outcome> {
  const begun = performance.now()
  for (;;) {
    const answer = await probe(login)
    // Asked second: an answer of "not listening" from one that has ended meanwhile is an end.
    if (postmaster.hasEnded()) return { kind: 'ended', why: `it ended: ${await postmaster.ended}` }
    if (answer.kind === 'ready') return { kind: 'ready' }
    if (answer.kind === 'refused') return answer
    const limit = answer.isListening ? READY_DEADLINE_MS : LISTEN_DEADLINE_MS
    if (performance.now() - begun > limit) return { kind: 'late', why: answer.why }
    await sleep(POLL_MS)
  }
}

const LOG_LINES = 5

/** The end of what it said is the reason, more often than not. */
function describe(why: string, said: string, file: string): string {
  const lines = said.trim().split('\n').slice(-LOG_LINES).join(' | ')
  return `it does not start (${why}); its log ${file} says: ${lines}`
}
