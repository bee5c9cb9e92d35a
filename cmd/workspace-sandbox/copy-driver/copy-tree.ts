/**
 * Copies a folder for an agent: modes, times and symlinks kept (symlinks never followed), special files
 * skipped, and no `.git` at any depth, because a nested one can point back at the project's own repository.
 * A few threads share the folders, because the kernel makes the files of one folder one after the other; the event
 * loop only hands them out.
 */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Copied, MadeFolder } from './copy-folders.ts'
import type { Job } from './copy-worker.ts'

/** More of them only wait for the same disk. */
const MAX_THREADS = 4
const MAX_FOLDERS_AT_ONCE = 64

/**
 * @param from absolute path of an existing folder
 * @param to absolute path of a folder that does not exist yet
 * @returns the path, relative to `from`, of each `.gitignore` in it
 */
export async function copyTree(from: string, to: string): Promise<string[]> {
  const threads: Worker[] = []
  try {
    const { made, ignoreFiles } = await copyFolders({ from: latin1(from), to: latin1(to) }, threads)
    // A folder's path is longer than that of the one it lies in.
    const finish = made.toSorted((a, b) => b.path.length - a.path.length)
    await ask(threads[0] ?? startThread(threads), { finish })
    return ignoreFiles.map((path) => Buffer.from(path, 'latin1').toString())
  } finally {
    // Also after a failure nobody writes to the copy any more.
    await Promise.all(threads.map((thread) => thread.terminate()))
  }
}

/** @param threads those it starts are added */
async function copyFolders(roots: { from: string; to: string }, threads: Worker[]) {
  const most = Math.min(availableParallelism(), MAX_THREADS)
  const open = ['']
  const made: MadeFolder[] = []
  const ignoreFiles: string[] = []
  const idle: Worker[] = []
  const copyWith = async (thread: Worker, folders: readonly string[]) => {
    const copied: Copied = await ask(thread, { copy: { ...roots, folders } })
    for (const each of copied.made) made.push(each)
    for (const each of copied.ignoreFiles) ignoreFiles.push(each)
    for (const each of copied.left) open.push(each)
    idle.push(thread)
  }
  const running = new Set<Promise<void>>()
  for (;;) {
    // The first portion of a small project is all of it: no second thread is started for it.
    while (open.length > 0 && (idle.length > 0 || threads.length < most)) {
      const share = Math.min(Math.ceil(open.length / (2 * most)), MAX_FOLDERS_AT_ONCE)
      const portion = copyWith(idle.pop() ?? startThread(threads), open.splice(-share))
      running.add(portion)
      portion.then(
        () => running.delete(portion),
        () => {}, // told to whoever waits below
      )
    }
    if (running.size === 0) return { made, ignoreFiles }
    await Promise.race(running)
  }
}

function startThread(threads: Worker[]): Worker {
  const thread = new Worker(new URL('./copy-worker.ts', import.meta.url), { env: {} })
  threads.push(thread)
  return thread
}

/** @throws what ended the thread */
async function ask<T>(thread: Worker, job: Job): Promise<T> {
  const answered = once(thread, 'message')
  thread.postMessage(job)
  const [answer] = await answered
  return answer
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
