/** agentctl profile: named settings of runs. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Profile, ProfileRequest, ProfileVersion } from '../../../api/client/index.ts'
import { messageOf } from '../../../internal/errors.ts'
import { UsageError } from '../exit.ts'
import { first } from '../first.ts'
import { findProfile } from '../profiles.ts'
import type { OpenSession } from '../session.ts'
import { oneLine, safe } from '../show/safe.ts'
import { facts, table } from '../show/table.ts'
import { ago, runnerWord } from '../show/words.ts'
import { collect, limitOption, MODES, RUNNERS, settings } from './options.ts'

interface Given {
  runner?: string
  model?: string
  timeout?: string
  mode?: string
  description?: string
  set?: string[]
  file?: string
}

export function addProfile(program: Command, open: OpenSession): void {
  const profile = program.command('profile').description('named, versioned settings of runs')
  addReading(profile, open)
  addWriting(profile, open)
  addArchive(profile, open)
}

function addReading(profile: Command, open: OpenSession): void {
  profile
    .command('list')
    .description('all profiles that are in use')
    .addOption(limitOption())
    .action(async ({ limit }: { limit: number }) => {
      const { client, terminal } = open()
      const profiles = await first(limit, client.profiles.listAll({ pageSize: limit }))
      terminal.answer({ profiles }, () => profileTable(profiles, terminal.columns))
    })

  profile
    .command('get')
    .description('one profile in full')
    .argument('<profile>', 'its id or key')
    .action(async (name: string) => {
      const { client, terminal } = open()
      const found = await findProfile(client, name)
      terminal.answer({ profile: found }, () => profileText(found))
    })

  profile
    .command('versions')
    .description('every version of a profile; runs keep the one they got')
    .argument('<profile>', 'its id or key')
    .action(async (name: string) => {
      const { client, terminal } = open()
      const { id } = await findProfile(client, name)
      const { items } = await client.profiles.versions(id)
      terminal.answer({ versions: items }, () => versionTable(items, terminal.columns))
    })
}

const withSettings = (command: Command): Command =>
  command
    .option('--runner <runner>', RUNNERS.join(', '))
    .option('--model <model>', 'as the runner calls it')
    .option('--timeout <duration>', 'wall clock of a turn, for example 30m')
    .option('--mode <mode>', `what the agent may do by itself: ${MODES.join(', ')}`)
    .option('--description <text>', 'what the profile is for')
    .option('--set <name=value>', 'any other setting, repeated', collect)
    .option('--file <json>', 'settings from a JSON file; the other options win')

function addWriting(profile: Command, open: OpenSession): void {
  withSettings(profile.command('create').description('a new profile').argument('<key>', 'its key')).action(
    async (key: string, given: Given) => {
      const { client, terminal, user } = open()
      const made = await client.profiles.create({ profile_key: key, created_by: user, ...settingsOf(given) })
      terminal.answer({ profile: made }, () => `Profile ${made.profile_key} (${made.id})`)
    },
  )

  withSettings(
    profile
      .command('update')
      .description('a new version, with these settings changed')
      .argument('<profile>', 'its id or key'),
  ).action(async (name: string, given: Given) => {
    const { client, terminal } = open()
    const { id } = await findProfile(client, name)
    const { value: before, etag } = await client.profiles.getTagged(id)
    const after = await client.profiles.update(id, { ...before, ...settingsOf(given) }, { ifMatch: etag })
    terminal.answer({ profile: after }, () => `Profile ${after.profile_key} is at version ${after.version}.`)
  })

  withSettings(
    profile
      .command('ensure')
      .description('the profile with this key, made where there is none')
      .argument('<key>', 'its key')
      .option('--update', 'also bring an existing one to these settings'),
  ).action(async (key: string, { update = false, ...given }: Given & { update?: boolean }) => {
    const { client, terminal } = open()
    const request = { profile_key: key, defaults: settingsOf(given), update_existing: update }
    const ensured = await client.profiles.ensure(request)
    const what = ensured.created ? 'made' : ensured.updated ? 'updated' : 'as it was'
    terminal.answer(ensured, () => `Profile ${key} (${ensured.profile.id}): ${what}`)
  })
}

function addArchive(profile: Command, open: OpenSession): void {
  profile
    .command('archive')
    .description('take it out of use; its runs stay as they are')
    .argument('<profile>', 'its id or key')
    .option('--undo', 'put it back to use')
    .action(async (name: string, { undo = false }: { undo?: boolean }) => {
      const { client, terminal } = open()
      const { id } = await findProfile(client, name)
      const after = undo ? await client.profiles.unarchive(id) : await client.profiles.archive(id)
      terminal.answer(
        { profile: after },
        () => `Profile ${after.profile_key} is ${undo ? 'in use again' : 'archived'}.`,
      )
    })
}

/** What the service checks is left to the service: its sentence names the field. */
function settingsOf({ runner, model, timeout, mode, description, set, file }: Given): ProfileRequest {
  const named = { runner_type: runner, model, timeout, permission_mode: mode, description }
  const given = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
  return { ...fileSettings(file), ...settings(set), ...given }
}

function fileSettings(file: string | undefined): object {
  if (file === undefined) return {}
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    throw new UsageError(`--file ${file} cannot be read: ${messageOf(error)}.`)
  }
  throw new UsageError(`--file ${file} holds no JSON object of settings.`)
}

const profileText = (profile: Profile): string => {
  const settings = Object.entries(profile)
    .filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => [name, typeof value === 'string' ? safe(value) : JSON.stringify(value)] as const)
  return facts(settings)
}

function profileTable(profiles: readonly Profile[], columns: number): string {
  if (profiles.length === 0) return 'No profiles.'
  const rows = profiles.map((one) => [
    oneLine(one.profile_key, 40),
    String(one.version),
    runnerWord(one.runner_type),
    one.model ?? '',
    ago(one.updated_at),
    one.id,
  ])
  return table(['KEY', 'VERSION', 'AGENT', 'MODEL', 'CHANGED', 'ID'], rows, columns)
}

function versionTable(versions: readonly ProfileVersion[], columns: number): string {
  const rows = versions.map((one) => [
    String(one.version),
    runnerWord(one.runner_type),
    one.model ?? '',
    one.permission_mode ?? '',
    ago(one.created_at),
  ])
  return table(['VERSION', 'AGENT', 'MODEL', 'MODE', 'MADE'], rows, columns)
}
