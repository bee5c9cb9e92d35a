/** The built routes: HTTP in, use case, the contract's JSON out. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { approveSandbox, rejectSandbox } from './approval.ts'
import { checkConflicts, rebaseSandbox } from './conflicts.ts'
import { diffSandbox } from './diff.ts'
import { discardChanges } from './discard.ts'
import { badRequest, wrongState } from './failure.ts'
import { registerFileRoutes } from './file-routes.ts'
import { collectGarbage } from './gc.ts'
import {
  readApproveBody,
  readCreateBody,
  readDiscardBody,
  readGcBody,
  readRebaseBody,
  readRejectBody,
} from './request-body.ts'
import { idIn, idOf } from './request-id.ts'
import { type Row, STATUSES } from './row.ts'
import {
  createSandbox,
  type Deps,
  deleteSandbox,
  findRow,
  startSandbox,
  stopSandbox,
} from './sandbox-service.ts'
import { touch } from './sweep.ts'
import { type Json, sandboxJson } from './wire.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 10_000

export function registerRoutes(app: FastifyInstance, deps: Deps): void {
  const one = '/api/v1/sandboxes/:id'
  app.addHook('preHandler', async (request) => {
    // Looking at a sandbox's state is no use of it; everything below it is.
    if (request.routeOptions.url?.startsWith(`${one}/`)) await touch(deps, idIn(request))
  })
  app.get('/health', (_request, reply) => health(deps, reply))
  app.get('/api/v1/health', (_request, reply) => health(deps, reply))
  app.post('/api/v1/sandboxes', async (request, reply) => {
    const row = await createSandbox(deps, readCreateBody(request.body))
    return reply.code(201).send(sandboxJson(row))
  })
  app.get('/api/v1/sandboxes', async (request) => list(deps, request.url))
  app.get(one, async (request) => withHealth(deps, findRow(deps, idOf(request))))
  app.delete(one, async (request, reply) => {
    await deleteSandbox(deps, idOf(request))
    return reply.code(204).send()
  })
  app.post(`${one}/stop`, async (request) => sandboxJson(await stopSandbox(deps, idOf(request))))
  app.post(`${one}/start`, async (request) => sandboxJson(await startSandbox(deps, idOf(request))))
  app.get(`${one}/workspace`, async (request) => workspace(findRow(deps, idOf(request))))
  app.get(`${one}/diff`, async (request) => diffSandbox(deps, idOf(request)))
  app.post(`${one}/approve`, async (request) =>
    approveSandbox(deps, idOf(request), readApproveBody(request.body)),
  )
  app.post(`${one}/reject`, async (request) => {
    const { actor } = readRejectBody(request.body)
    return sandboxJson(await rejectSandbox(deps, idOf(request), actor))
  })
  app.post(`${one}/discard`, async (request) =>
    discardChanges(deps, idOf(request), readDiscardBody(request.body)),
  )
  app.get(`${one}/conflicts`, async (request) => checkConflicts(deps, idOf(request)))
  app.post(`${one}/rebase`, async (request) =>
    rebaseSandbox(deps, idOf(request), readRebaseBody(request.body)),
  )
  app.post('/api/v1/gc', async (request) => {
    const body = readGcBody(request.body)
    return collectGarbage(deps, body, body.dryRun)
  })
  app.post('/api/v1/gc/preview', async (request) => collectGarbage(deps, readGcBody(request.body), true))
  registerFileRoutes(app, deps)
}

async function withHealth(deps: Deps, row: Row): Promise<Json> {
  if (row.status !== 'active' || row.mergedDir === null) return sandboxJson(row)
  return sandboxJson(row, { healthy: await deps.driver.isMounted(row.id) })
}

function workspace(row: Row): Json {
  if (row.status !== 'active') throw wrongState('work in', row.status)
  return { path: row.mergedDir }
}

async function list(deps: Deps, url: string): Promise<Json> {
  const query = new URL(url, 'http://localhost').searchParams
  const statuses = query.getAll('status')
  const unknown = statuses.find((status) => !STATUSES.some((known) => known === status))
  if (unknown !== undefined) throw badRequest(`unknown status: ${unknown}`)
  const same = (name: string, value: string) => !query.get(name) || query.get(name) === value
  const found = deps.rows
    .all()
    .filter((row) => statuses.length === 0 || statuses.includes(row.status))
    .filter((row) => same('owner', row.owner) && same('projectRoot', row.projectRoot))
    .filter((row) => same('scopePath', row.scopePath))
  const limit = Math.min(readCount(query.get('limit'), 1) ?? DEFAULT_LIMIT, MAX_LIMIT)
  const offset = readCount(query.get('offset'), 0) ?? 0
  const page = found.slice(offset, offset + limit)
  return {
    sandboxes: await Promise.all(page.map((row) => withHealth(deps, row))),
    totalCount: found.length,
    limit,
    offset,
  }
}

/** Bad values count as absent, as in the original. */
function readCount(text: string | null, least: number): number | null {
  if (text === null || !/^\d{1,9}$/.test(text)) return null
  return Number(text) >= least ? Number(text) : null
}

async function health(deps: Deps, reply: FastifyReply): Promise<FastifyReply> {
  const connected = await access(deps.baseDir, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false, // the answer is the report
  )
  return reply.code(connected ? 200 : 503).send({
    status: connected ? 'healthy' : 'unhealthy',
    service: 'workspace-sandbox',
    timestamp: new Date().toISOString(),
    readiness: connected,
    version: '0.1.0',
    uptime_seconds: Math.floor(process.uptime()),
    dependencies: { database: { connected } },
    metrics: {},
  })
}
