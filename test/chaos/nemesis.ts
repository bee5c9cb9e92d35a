/** Does harm, in an order that its seed decides, and keeps count. Something is always left to talk to. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './random.ts'
import { type Replica, type Stage, signal } from './stage.ts'

export interface Harm {
  kills: number
  pauses: number
  drains: number
  databaseRestarts: number
  sandboxKills: number
}

const HARMS = [
  'kill',
  'kill',
  'kill',
  'kill',
  'pause',
  'pause',
  'drain',
  'database',
  'database',
  'sandbox',
] as const

/** Returns when time is up and everything is up again. @param leaseMs a pause is longer */
export async function torment(
  stage: Stage,
  random: Random,
  options: { durationMs: number; leaseMs: number; paceMs: number },
): Promise<Harm> {
  const harm: Harm = { kills: 0, pauses: 0, drains: 0, databaseRestarts: 0, sandboxKills: 0 }
  const busy = new Set<Replica>()
  const running = new Set<Promise<void>>()
  const begin = (work: Promise<void>) => {
    const tracked = work.finally(() => running.delete(tracked))
    running.add(tracked)
  }
  const toReplica = (act: (replica: Replica) => Promise<void>) => {
    const free = stage.replicas.filter((replica) => replica.isUp && !busy.has(replica))
    if (free.length < 2) return // one is left in peace
    const replica = random.pick(free)
    busy.add(replica)
    begin(act(replica).finally(() => busy.delete(replica)))
  }
  const end = performance.now() + options.durationMs
  while (performance.now() < end) {
    const rest = random.between(0, options.paceMs)
    const length = random.between(options.leaseMs, options.leaseMs * 1.6)
    switch (random.pick(HARMS)) {
      case 'kill':
        toReplica(async (replica) => {
          harm.kills += 1
          await replica.end('SIGKILL')
          await delay(rest)
          await replica.start()
        })
        break
      case 'drain':
        toReplica(async (replica) => {
          harm.drains += 1
          await replica.end('SIGTERM')
          await replica.start()
        })
        break
      case 'pause':
        toReplica(async (replica) => {
          if (replica.pause()) harm.pauses += 1
          await delay(length)
          replica.resume()
        })
        break
      case 'database':
        if (signal(stage.postgres.pid, 'SIGQUIT')) harm.databaseRestarts += 1
        break
      case 'sandbox':
        harm.sandboxKills += 1
        await stage.sandbox.kill()
        await delay(rest / 2)
        await stage.sandbox.start()
        break
    }
    await delay(random.between(options.paceMs / 2, options.paceMs * 1.5))
  }
  await Promise.all(running)
  return harm
}
