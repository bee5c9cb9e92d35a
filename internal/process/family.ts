/**
 * Who belongs together: some processes known for sure, and everything that can be traced to them. A process that
 * emptied its environment is still found by its parent; one that lost its parent by its session or group, as long
 * as that was made within the family. Only a process that did all three (no mark, no parent, a session of its
 * own) before anybody looked is lost.
 */
import process from 'node:process'
import { descendantsOf, listProcesses, type ProcessRow } from './proc.ts'

/**
 * The seeds and all that can be traced to them within `rows`, each once. Our own process and its parents are never
 * members, and the sessions and groups they live in lead to nobody.
 */
export function familyOf(
  isSeed: (row: ProcessRow) => boolean,
  rows: readonly ProcessRow[],
): readonly ProcessRow[] {
  const alive = new Set(rows.map((row) => row.pid))
  const us = ourselves(rows)
  const ourIds = new Set(us.flatMap((row) => [row.pid, row.sessionId, row.groupId]))
  const others = rows.filter((row) => !us.includes(row))
  const family = new Map(others.filter(isSeed).map((row) => [row.pid, row]))
  const add = (found: readonly ProcessRow[]): void => {
    for (const row of found) family.set(row.pid, row)
  }
  /** A session or group is the family's when its maker is, or when its maker is gone and one of ours is in it. */
  const isFamilys = (id: number): boolean => id > 1 && !ourIds.has(id) && (family.has(id) || !alive.has(id))
  for (let size = 0; size !== family.size; ) {
    size = family.size
    for (const pid of [...family.keys()]) add(descendantsOf(pid, others))
    const ids = new Set([...family.values()].flatMap((row) => [row.sessionId, row.groupId]).filter(isFamilys))
    add(others.filter((row) => ids.has(row.sessionId) || ids.has(row.groupId)))
  }
  return [...family.values()]
}

export interface Family {
  /** All members alive now: the seeds, everyone seen before, and who can be traced to them. */
  find(): readonly ProcessRow[]
}

/** A family that is looked at again and again: once seen, a member stays one, whatever becomes of its parents. */
export function createFamily(isSeed: (row: ProcessRow) => boolean): Family {
  let seen = new Set<string>()
  return {
    find() {
      const family = familyOf((row) => seen.has(keyOf(row)) || isSeed(row), listProcesses())
      seen = new Set(family.map(keyOf))
      return family
    },
  }
}

/** Our own process and its parents. */
function ourselves(rows: readonly ProcessRow[]): ProcessRow[] {
  const byPid = new Map(rows.map((row) => [row.pid, row]))
  const found: ProcessRow[] = []
  for (let pid = process.pid; ; ) {
    const row = byPid.get(pid)
    if (row === undefined || found.includes(row)) return found
    found.push(row)
    pid = row.parentPid
  }
}

const keyOf = (row: ProcessRow): string => `${row.pid}:${row.startTime}`
