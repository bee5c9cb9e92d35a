/** Profiles by what people call them. */
import type { Client, Profile } from '../../api/client/index.ts'
import { UsageError } from './exit.ts'

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
export const isId = (text: string): boolean => UUID.test(text)

/** By id or by key. */
export async function findProfile(client: Client, name: string): Promise<Profile> {
  if (isId(name)) return client.profiles.get(name)
  for await (const profile of client.profiles.listAll({ archived: 'all', pageSize: 1000 })) {
    if (profile.profile_key === name) return profile
  }
  throw new UsageError(`There is no profile "${name}": agentctl profile list shows all.`)
}

/** How a run names its profile. */
export const profileReference = (name: string) =>
  isId(name) ? { agent_profile_id: name } : { profile_ref: { profile_key: name } }
