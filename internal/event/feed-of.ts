/** The feed over a database. */
import type { Db } from '../db/tables.ts'
import type { Logger } from '../log.ts'
import { lastSeqs } from '../run/run-store.ts'
import { EventFeed } from './event-feed.ts'
import { readEvents } from './event-store.ts'
import { changedRuns, lastSeqAt, rosterSnapshot } from './roster-store.ts'

/** Not started yet. */
export const feedOf = (db: Db, log: Logger): EventFeed =>
  new EventFeed({
    log,
    read: (runId, after, limit) => readEvents(db, { runId, after, limit, types: [] }),
    lastSeqs: (ids) => lastSeqs(db, ids),
    lastSeqAt: (runId, at) => lastSeqAt(db, runId, at),
    snapshot: (selection, named, limit) => rosterSnapshot(db, selection, named, limit),
    changed: (since) => changedRuns(db, since),
  })
