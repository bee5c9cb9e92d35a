/** The CLI's sessions: transcripts below the home, one file each, under an id that we choose. */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readLines } from './lines.ts'
import { rewindPoint } from './rewind.ts'

/** What a session begins with stands near the start, after the prompt at most. */
const MAX_LINES_READ = 200
const MAX_LINE_LENGTH = 64 * 1024

export interface Session {
  readonly id: string
  readonly isResumed: boolean
  /** The message after which it goes on; null: the last one. */
  readonly rewindTo: string | null
}

/**
 * The session that a turn uses: the wanted one where its transcript holds a conversation, else a new one.
 * @param home the HOME of the CLI
 * @param wanted id of an earlier turn; null: none
 * @param openAtCut how many of its last tool calls were never carried out
 */
export async function chooseSession(
  home: string,
  wanted: string | null,
  openAtCut: number,
): Promise<Session> {
  const transcript = wanted === null ? null : await findConversation(home, wanted)
  if (wanted === null || transcript === null) return { id: randomUUID(), isResumed: false, rewindTo: null }
  return { id: wanted, isResumed: true, rewindTo: await rewindPoint(transcript, openAtCut) }
}

async function findConversation(home: string, id: string): Promise<string | null> {
  if (!z.uuid().safeParse(id).success) return null
  const projects = join(home, '.claude', 'projects')
  for (const folder of await foldersIn(projects)) {
    const transcript = join(projects, folder, `${id}.jsonl`)
    if (await holdsConversation(transcript)) return transcript
  }
  return null
}

/** A turn that was cut before its prompt was written leaves a transcript that cannot be resumed. */
async function holdsConversation(transcript: string): Promise<boolean> {
  const file = createReadStream(transcript)
  let read = 0
  try {
    for await (const line of readLines(file, MAX_LINE_LENGTH)) {
      // A long line is cut before it says what it is: it is the prompt's.
      if (line.truncated || /"type":"(user|assistant)"/.test(line.text)) return true
      read += 1
      if (read === MAX_LINES_READ) return false
    }
    return false
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  } finally {
    file.destroy()
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')

async function foldersIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isAbsent(error)) return [] // the CLI has not run in this home yet
    throw error
  }
}
