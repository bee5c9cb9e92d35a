/** Users, and what belongs to them. */
import { chmodSync, lchownSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { cannotRun } from './failure.ts'
import { statOf } from './layout.ts'

/**
 * Makes a folder of `uid` with exactly this mode, or takes the one that is there if it is exactly that.
 * Under /tmp anybody can have made it first, so a link, a foreign owner or another mode is refused.
 * @throws EmbeddedPostgresError
 */
export function privateFolder(folder: string, uid: number, mode = 0o700): void {
  const self = process.geteuid?.()
  const isNew = statOf(folder) === undefined
  if (isNew) mkdirSync(folder, { mode: 0o700 })
  // Also one that a start left here which died before it gave the folder away: nobody else could enter it.
  if (isNew || (uid !== self && statOf(folder)?.uid === self)) {
    chmodSync(folder, mode) // whatever the umask is
    if (uid !== self) lchownSync(folder, uid, uid)
  }
  const found = lstatSync(folder)
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o777) === mode) return
  throw cannotRun(`${folder} exists and is not a folder of user ${uid} with mode ${mode.toString(8)}`)
}

/** Gives a folder and all in it to a user and the group of the same number. */
export function giveTree(folder: string, uid: number): void {
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(folder, entry), uid, uid)
  }
  lchownSync(folder, uid, uid)
}

/** initdb insists that its user has a name. In a container that runs as an arbitrary number, ours has none. */
export function hasName(): boolean {
  try {
    return userInfo().username !== ''
  } catch {
    return false // no entry for this user: that is the answer
  }
}

/** Some user other than root that has a name, `nobody` where there is one; undefined in the barest images. */
export function namedUser(passwd = readPasswd()): number | undefined {
  const users = passwd.split('\n').map((line) => line.split(':'))
  const ordinary = users.filter(([name, , uid]) => name !== '' && Number(uid) > 0)
  const chosen = ordinary.find(([name]) => name === 'nobody') ?? ordinary[0]
  return chosen === undefined ? undefined : Number(chosen[2])
}

const readPasswd = (): string =>
  statOf('/etc/passwd') === undefined ? '' : readFileSync('/etc/passwd', 'utf8')
