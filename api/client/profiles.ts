/** Profiles: named, versioned settings of runs. */
import { type ListOptions, listing, type UpdateOptions, updating } from './list.ts'
import { allOf, type ListAnswer, type Page, pageOf } from './page.ts'
import { path } from './path.ts'
import type { CallOptions, Request, Tagged, Transport, WriteOptions } from './transport.ts'
import type {
  EnsuredProfile,
  EnsureProfileRequest,
  Profile,
  ProfileFilter,
  ProfileRequest,
  ProfileVersion,
} from './types.ts'

export class Profiles {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(options: ListOptions<ProfileFilter> = {}): Promise<Page<Profile>> {
    const request = listing('/api/v1/profiles', options)
    const answer = await this.#transport.json<ListAnswer & { profiles: Profile[] }>(request)
    return pageOf(answer, answer.profiles)
  }

  listAll(options: ListOptions<ProfileFilter> = {}): AsyncGenerator<Profile> {
    return allOf((pageToken) => this.list({ ...options, pageToken }))
  }

  /** The newest version. */
  get(id: string, options: CallOptions = {}): Promise<Profile> {
    return this.#profile({ method: 'GET', path: path`/api/v1/profiles/${id}`, ...options })
  }

  /** With the `etag` that `update` takes as `ifMatch`. */
  async getTagged(id: string, options: CallOptions = {}): Promise<Tagged<Profile>> {
    const request = { method: 'GET', path: path`/api/v1/profiles/${id}`, ...options } as const
    const { value, etag } = await this.#transport.tagged<{ profile: Profile }>(request)
    return { value: value.profile, etag }
  }

  create(profile: ProfileRequest, options: WriteOptions = {}): Promise<Profile> {
    return this.#profile({ method: 'POST', path: '/api/v1/profiles', body: { profile }, ...options })
  }

  /** The profile with this key, made where there is none. Safe to call at every start. */
  ensure(request: EnsureProfileRequest, options: WriteOptions = {}): Promise<EnsuredProfile> {
    return this.#transport.json({
      method: 'POST',
      path: '/api/v1/profiles/ensure',
      body: request,
      ...options,
    })
  }

  /** Replaces the settings by a new version. */
  update(id: string, profile: ProfileRequest, options: UpdateOptions = {}): Promise<Profile> {
    return this.#profile(updating(path`/api/v1/profiles/${id}`, { profile }, options))
  }

  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: 'DELETE', path: path`/api/v1/profiles/${id}`, ...options })
  }

  archive(id: string, options: WriteOptions = {}): Promise<Profile> {
    return this.#profile({ method: 'POST', path: path`/api/v1/profiles/${id}/archive`, ...options })
  }

  unarchive(id: string, options: WriteOptions = {}): Promise<Profile> {
    return this.#profile({ method: 'POST', path: path`/api/v1/profiles/${id}/unarchive`, ...options })
  }

  async versions(id: string, options: ListOptions<object> = {}): Promise<Page<ProfileVersion>> {
    const request = listing(path`/api/v1/profiles/${id}/versions`, options)
    const answer = await this.#transport.json<ListAnswer & { versions: ProfileVersion[] }>(request)
    return pageOf(answer, answer.versions)
  }

  async version(id: string, version: number, options: CallOptions = {}): Promise<ProfileVersion> {
    const one = path`/api/v1/profiles/${id}/versions/${String(version)}`
    const request = { method: 'GET', path: one, ...options } as const
    return (await this.#transport.json<{ version: ProfileVersion }>(request)).version
  }

  async #profile(request: Request): Promise<Profile> {
    return (await this.#transport.json<{ profile: Profile }>(request)).profile
  }
}
