/** Rows and readings in the contract's JSON shapes. */
import { v5 as uuidV5 } from 'uuid'
import type { Reading } from './driver.ts'
import { type Change, typeOf } from './git-base/changes.ts'
import type { Row } from './row.ts'

export type Json = Record<string, unknown>

/** @param health only for an active sandbox that was looked at */
export function sandboxJson(row: Row, health: { healthy: boolean } | null = null): Json {
  return {
    id: row.id,
    scopePath: row.scopePath,
    reservedPath: row.reservedPaths[0] ?? '',
    ...(row.reservedPaths.length > 0 ? { reservedPaths: row.reservedPaths } : {}),
    ...(row.noLock ? { noLock: true } : {}),
    projectRoot: row.projectRoot,
    ...ifSet('owner', row.owner),
    ownerType: row.ownerType,
    status: row.status,
    ...ifSet('errorMessage', row.errorMessage),
    createdAt: row.createdAt,
    lastUsedAt: row.lastUsedAt,
    updatedAt: row.updatedAt,
    ...ifSet('stoppedAt', row.stoppedAt),
    ...ifSet('approvedAt', row.approvedAt),
    ...ifSet('deletedAt', row.deletedAt),
    driver: row.driver,
    driverVersion: row.driverVersion,
    ...ifSet('mergedDir', row.mergedDir),
    sizeBytes: row.sizeBytes,
    fileCount: row.fileCount,
    activePids: [],
    sessionCount: 0,
    ...(row.tags.length > 0 ? { tags: row.tags } : {}),
    ...(Object.keys(row.metadata).length > 0 ? { metadata: row.metadata } : {}),
    behavior: row.behavior,
    ...ifSet('idempotencyKey', row.idempotencyKey),
    version: row.version,
    ...ifSet('baseCommitHash', row.baseCommitHash),
    ...(health === null ? {} : { mountHealth: healthJson(health.healthy) }),
  }
}

const ifSet = (name: string, value: string | null): Json =>
  value === null || value === '' ? {} : { [name]: value }

const healthJson = (healthy: boolean): Json =>
  healthy
    ? { healthy: true, verified: true }
    : {
        healthy: false,
        verified: true,
        error: 'the workspace is not there',
        hint: 'stop and start the sandbox; when that fails, delete it and create a new one',
      }

/** The id a file has in every diff of its sandbox. */
export const fileIdOf = (sandboxId: string, path: string): string => uuidV5(path, sandboxId)

export function fileChangeJson(
  sandboxId: string,
  change: Change,
  reading: Reading,
  acceptance: Json,
  detectedAt: string,
): Json {
  return {
    id: fileIdOf(sandboxId, change.path),
    sandboxId,
    filePath: change.path,
    changeType: typeOf(change),
    fileSize: change.after === null ? 0 : (reading.sizes.get(change.after.oid) ?? 0),
    fileMode: goMode((change.after ?? change.before)?.mode),
    detectedAt,
    approvalStatus: 'pending',
    acceptance,
  }
}

/** Go's mode bits: permissions, and bit 27 for a symlink. */
function goMode(gitMode: string | undefined): number {
  if (gitMode === '120000') return 2 ** 27 + 0o777
  return gitMode === '100755' ? 0o755 : 0o644
}
