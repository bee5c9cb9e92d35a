/**
 * Landing a reviewed diff: exactly the expected files or nothing, and the same answer when asked twice. The
 * service's word is not enough: what the project holds afterwards is compared with the sandbox's view.
 */
import type { ApplyResult, SandboxFile } from '../../internal/sandbox/port.ts'
import { approvedBefore, dead, vanished } from './earlier-landing.ts'
import { findObstacles, findUnlisted } from './fidelity.ts'
import { stateAt } from './file-state.ts'
import {
  type ApplyDeps,
  type ApplyRequest,
  conflict,
  contradicting,
  isStanding,
  type Landing,
  openLanding,
  unable,
  whatLanded,
} from './landing.ts'
import { survivesStart, withView } from './mount.ts'
import { driftedPaths, projectBaseOf } from './project-drift.ts'
import { nameSome } from './project-path.ts'
import { sendApprove } from './send-approve.ts'

export async function applyAll(deps: ApplyDeps, id: string, request: ApplyRequest): Promise<ApplyResult> {
  const { expected } = request
  const seen = await deps.calls.look(id)
  if (seen === null || seen.status === 'deleted') return vanished(deps, seen, expected.length)
  if (seen.status === 'approved') return approvedBefore(deps, seen, request)
  if (seen.status !== 'active' && seen.status !== 'stopped') return dead(seen)
  const landing = await openLanding(await withView(deps.calls, seen), request)
  const { files, text } = await deps.calls.diff(id)
  const moved = differing(expected, files)
  if (moved.length > 0) return movedOn(deps, landing, files, moved)
  // The service takes an empty list of ids for all files, so nothing is asked when nothing is to land.
  if (expected.length === 0) return { ok: true, applied: 0 }
  const odd = contradicting(landing)
  if (odd.length > 0) return conflict(`the sandbox does not show what its diff says: ${nameSome(odd)}`, odd)
  const refusal = deps.trusted ? null : await refuseUntrusted(deps, landing, text)
  return refusal ?? sendApprove(deps.calls, landing)
}

/** The diff is another one: since the review somebody wrote, or an earlier call of ours landed unseen. */
async function movedOn(
  deps: ApplyDeps,
  landing: Landing,
  present: readonly SandboxFile[],
  moved: readonly string[],
): Promise<ApplyResult> {
  const { box, expected, projectRoot, actor } = landing
  // The diff waited for an approval of ours that was still on its way: then nothing is left over.
  const now = await deps.calls.look(box.id)
  if (now?.status === 'approved') return approvedBefore(deps, now, { expected, projectRoot, actor })
  const { missing } = await whatLanded(landing)
  const known = new Set(expected.map((file) => file.path))
  const isAllThere = missing.length === 0 && contradicting(landing).length === 0
  // The real service takes its diff against the live project: what has landed is not in it any more.
  if (!deps.trusted && isAllThere && present.every((file) => known.has(file.path))) {
    return { ok: true, applied: expected.length }
  }
  const there = moved.filter((path) => known.has(path) && !missing.includes(path))
  return conflict(
    there.length > 0 && !deps.trusted
      ? `the project holds part of the changes already: ${nameSome(there)}`
      : 'the changes in the sandbox are not the reviewed ones any more',
    moved,
  )
}

/** What the real service would do wrong without a word is refused in words before it is asked. */
async function refuseUntrusted(
  deps: ApplyDeps,
  landing: Landing,
  diffText: string,
): Promise<ApplyResult | null> {
  const { box, mergedDir, expected, projectRoot, before } = landing
  const standing = isStanding(landing)
  const isFolder = ({ path }: SandboxFile) =>
    stateAt(landing.view, path).kind === 'folder' || stateAt(before, path).kind === 'folder'
  const open = expected.filter((file) => !standing(file) || isFolder(file))
  const obstacles = [
    ...findObstacles(open, landing.view, before, diffText),
    ...(survivesStart(box) ? await findUnlisted(expected, mergedDir, projectRoot) : []),
  ]
  if (obstacles.length > 0) {
    const named = nameSome(obstacles.map(({ path, why }) => `${path} (${why})`))
    const message = `this sandbox service cannot land ${named}; copy them from ${mergedDir} by hand, or use the embedded sandbox service`
    return unable(
      message,
      obstacles.map(({ path }) => path),
    )
  }
  // Somebody did by hand what the agent did: the sandbox stays open, its deletion ends it.
  if (open.length === 0) return { ok: true, applied: expected.length }
  const base = projectBaseOf(box)
  if (base === null) return unable('the sandbox does not say when it was made', [])
  const drifted = await driftedPaths({ projectRoot, files: open, project: before, base, path: deps.path })
  if (drifted.length === 0) return null
  return conflict(`changed in the project since the sandbox was made: ${nameSome(drifted)}`, drifted)
}

/** Paths in only one of the lists, or with another id or kind of change. Sorted. */
function differing(expected: readonly SandboxFile[], present: readonly SandboxFile[]): string[] {
  const nameOf = (file: SandboxFile) => `${file.id} ${file.changeType} ${file.path}`
  const inBoth = new Set(expected.map(nameOf)).intersection(new Set(present.map(nameOf)))
  const odd = [...expected, ...present].filter((file) => !inBoth.has(nameOf(file)))
  return [...new Set(odd.map((file) => file.path))].toSorted()
}
