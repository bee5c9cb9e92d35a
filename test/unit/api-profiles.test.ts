/** Profiles over HTTP: lists, updates, archiving, deletion, versions, ETags. Making them: api-profiles-tasks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { PROFILE_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const PROFILE = `/api/v1/profiles/${PROFILE_ID}`
const send = (method: 'POST' | 'PUT' | 'DELETE', url: string, payload?: object, headers = {}) =>
  app.inject({ method, url, headers, ...(payload && { payload }) })

describe('GET /profiles', () => {
  it('takes filters and pages in both spellings', async () => {
    const response = await app.inject(
      '/api/v1/profiles?runnerType=RUNNER_TYPE_CLAUDE_CODE&archived=all&pageSize=7&page_token=abc',
    )

    expect(response.statusCode).toBe(200)
    expect(asked.profiles).toEqual({
      filter: { runnerType: 'claude-code', archived: 'also' },
      page: { size: 7, after: 'abc', offset: 0 },
    })
    expect(response.json()).toMatchObject({
      profiles: [{ id: PROFILE_ID }],
      total: 12,
      total_exact: true,
      next_page_token: 'token',
    })
  })

  it('leaves archived profiles out, and takes limit and offset', async () => {
    await app.inject('/api/v1/profiles?limit=3&offset=4')

    expect(asked.profiles).toEqual({
      filter: { runnerType: null, archived: 'no' },
      page: { size: 3, after: null, offset: 4 },
    })
  })

  it.each([
    ['page_size=1001', 'VALIDATION_FIELD', 'page_size'],
    ['page_size=0', 'VALIDATION_FIELD', 'page_size'],
    ['archived=perhaps', 'VALIDATION_FIELD', 'archived'],
    ['runner_type=cursor', 'VALIDATION_FIELD', 'runner_type'],
    ['name=x', 'VALIDATION_UNKNOWN_FIELD', 'name'],
  ])('refuses %s by name', async (query, code, field) => {
    const response = await app.inject(`/api/v1/profiles?${query}`)

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code, errors: [{ field }] })
  })

  it.each(['page_size=2&limit=3', 'page_token=a&offset=2'])('refuses the contradiction %s', async (query) => {
    expect((await app.inject(`/api/v1/profiles?${query}`)).json().code).toBe('VALIDATION_CONFLICT')
  })
})

describe('PUT /profiles/{id}', () => {
  it('takes the form of ecosystem-manager, which names no profile_id', async () => {
    const profile = {
      id: PROFILE_ID,
      name: 'ecosystem-manager-tasks',
      profileKey: 'ecosystem-manager-tasks',
      runnerType: 'RUNNER_TYPE_CLAUDE_CODE',
      maxTurns: 60,
      timeout: '1800s',
      createdBy: 'ecosystem-manager',
    }

    const response = await send('PUT', PROFILE, { profile })

    expect(response.statusCode).toBe(200)
    expect(asked.updateProfile).toEqual({
      id: PROFILE_ID,
      wanted: {
        name: 'ecosystem-manager-tasks',
        profileKey: 'ecosystem-manager-tasks',
        settings: { runnerType: 'claude-code', maxTurns: 60, timeoutMs: 1_800_000 },
      },
      ifMatch: null,
    })
    expect(response.json().profile).toMatchObject({ version: 2, max_turns: 60 })
    expect(response.headers['etag']).toBe('"5"')
  })

  it('leaves name and key where they are not given', async () => {
    await send('PUT', PROFILE, { profile_id: PROFILE_ID.toUpperCase(), profile: { description: 'd' } })

    expect(asked.updateProfile?.wanted).toEqual({
      name: null,
      profileKey: null,
      settings: { description: 'd' },
    })
  })

  it('refuses another profile_id, unknown members, and a missing profile', async () => {
    const other = await send('PUT', PROFILE, { profile_id: UNKNOWN_ID, profile: {} })
    const unknown = await send('PUT', PROFILE, { profile: { colour: 'red' } })
    const none = await send('PUT', PROFILE, {})
    const missing = await send('PUT', `/api/v1/profiles/${UNKNOWN_ID}`, { profile: {} })

    expect(other.json()).toMatchObject({ code: 'VALIDATION_CONFLICT', errors: [{ field: 'profile_id' }] })
    expect(unknown.json()).toMatchObject({
      code: 'VALIDATION_UNKNOWN_FIELD',
      errors: [{ field: 'profile.colour' }],
    })
    expect(none.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field: 'profile' }] })
    expect([missing.statusCode, missing.json().code]).toEqual([404, 'NOT_FOUND_PROFILE'])
  })
})

describe('If-Match', () => {
  it.each([
    ['"4"', [4]],
    [' "4" , "7" ', [4, 7]],
    ['*', null],
    ['W/"4"', []],
    ['"someone else\'s"', []],
    ['W/"1", "2"', [2]],
  ])('%s means %j', async (header, ifMatch) => {
    const response = await send('PUT', PROFILE, { profile: {} }, { 'if-match': header })

    expect(response.statusCode).toBe(200)
    expect(asked.updateProfile?.ifMatch).toEqual(ifMatch)
  })

  it.each(['4', '"4', '"4" "5"', ''])('refuses %j', async (header) => {
    const response = await send('PUT', PROFILE, { profile: {} }, { 'if-match': header })

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field: 'If-Match' }] })
  })

  it('goes with archiving and deleting too; answers carry the ETag', async () => {
    const get = await app.inject(PROFILE)
    const archived = await send('POST', `${PROFILE}/archive`, undefined, { 'if-match': '"4"' })
    await send('DELETE', PROFILE, undefined, { 'if-match': '"5"' })

    expect(get.headers['etag']).toBe('"4"')
    expect(asked.archive).toEqual({ id: PROFILE_ID, isArchived: true, ifMatch: [4] })
    expect(archived.headers['etag']).toBe('"5"')
    expect(asked.delete).toEqual({ id: PROFILE_ID, ifMatch: [5] })
  })
})

describe('archive and unarchive', () => {
  it('answer the profile, without a body as well as with one', async () => {
    const archived = await send('POST', `${PROFILE}/archive`)
    const back = await send('POST', `${PROFILE}/unarchive`, { profileId: PROFILE_ID })

    expect(archived.json().profile.archived_at).not.toBeNull()
    expect(back.json().profile.archived_at).toBeNull()
    expect(asked.archive).toMatchObject({ isArchived: false })
  })

  it('refuse another id in the body', async () => {
    const response = await send('POST', `${PROFILE}/archive`, { profile_id: UNKNOWN_ID })

    expect(response.json().code).toBe('VALIDATION_CONFLICT')
  })
})

describe('DELETE /profiles/{id}', () => {
  it('says success, also of what is not there', async () => {
    const response = await send('DELETE', `/api/v1/profiles/${UNKNOWN_ID}`)

    expect([response.statusCode, response.json()]).toEqual([200, { success: true }])
  })
})

describe('versions', () => {
  it('are listed', async () => {
    const response = await app.inject(`${PROFILE}/versions?page_size=1&page_token=v3`)

    expect(asked.versions).toEqual({ id: PROFILE_ID, page: { size: 1, after: 'v3', offset: 0 } })
    expect(response.json()).toMatchObject({
      versions: [{ profile_id: PROFILE_ID, version: 2, max_turns: 2, created_at: expect.any(String) }],
      total: 2,
      total_exact: true,
      next_page_token: 'v2',
    })
  })

  it('are found by number; anything else is no version', async () => {
    expect((await app.inject(`${PROFILE}/versions/7`)).json().version.version).toBe(7)
    for (const wrong of ['0', '-1', '01', 'x', '9999999999']) {
      const response = await app.inject(`${PROFILE}/versions/${wrong}`)
      expect([response.statusCode, response.json().code]).toEqual([404, 'NOT_FOUND_PROFILE_VERSION'])
    }
  })
})
