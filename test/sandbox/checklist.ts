/** How an item of the contract's checklist becomes a test: over HTTP, the project and `mergedDir`, nothing else. */
import process from 'node:process'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { type Answer, callSandbox } from '../support/sandbox-server.ts'
import type { Target } from './targets.ts'

export const ROUTE = '/api/v1/sandboxes'
export const ALL = { mode: 'all', overrideAcceptance: true }

/** C: every service does it. I: the original errs there, and a service that does is only told about. */
type Kind = 'C' | 'I'

export interface Sandbox {
  readonly id: string
  /** `mergedDir` */
  readonly dir: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read foreign JSON field by field
  readonly json: any
}

export type Checklist = ReturnType<typeof checklistOf>

/** Defines the items of one chapter once for each service. */
export function checklist(chapter: string, define: (on: Checklist) => void): void {
  for (const target of inject('sandboxTargets')) {
    describe(`${chapter} [${target.name}]`, () => {
      const on = checklistOf(target)
      define(on)
      afterAll(on.cleanUp)
    })
  }
}

function checklistOf(target: Target) {
  const made = new Set<string>()
  const call = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await callSandbox(target.url, target.token, method, path, body)
    if (path === ROUTE && answer.status === 201) made.add(answer.json.id)
    return answer
  }
  const act = (id: string, what: string, body?: unknown) => call('POST', `${ROUTE}/${id}/${what}`, body)
  const get = (id: string, what = '') => call('GET', `${ROUTE}/${id}${what}`)
  return {
    call,
    act,
    get,
    /** POST, whatever comes of it. */
    tryCreate: (body: unknown) => call('POST', ROUTE, body),
    /** An active sandbox, without a lock unless asked for. */
    create: async (projectRoot: string, more: object = {}): Promise<Sandbox> => {
      const answer = await call('POST', ROUTE, { projectRoot, noLock: true, ...more })
      expect(answer.status, answer.text).toBe(201)
      expect(answer.json.status).toBe('active')
      return { id: answer.json.id, dir: answer.json.mergedDir, json: answer.json }
    },
    diff: async (id: string) => {
      const answer = await get(id, '/diff')
      expect(answer.status, answer.text).toBe(200)
      return answer.json
    },
    approve: (id: string, body: unknown = ALL) => act(id, 'approve', body),
    remove: (id: string) => call('DELETE', `${ROUTE}/${id}`),
    /** @param rest query after the path, for example `&recursive=true` */
    file: (method: string, id: string, path: string, body?: unknown, rest = '') =>
      call(method, `${ROUTE}/${id}/files/content?path=${encodeURIComponent(path)}${rest}`, body),
    item: (kind: Kind, number: number, title: string, work: () => Promise<void>) =>
      it(`${kind}${number} ${title}`, async () => {
        try {
          await work()
        } catch (error) {
          if (kind === 'C' || !target.isForeign) throw error
          const what = error instanceof Error ? error.message.split('\n', 1)[0] : String(error)
          process.stdout.write(`known fault ${kind}${number}: ${title} (${what})\n`)
        }
      }),
    cleanUp: async () => {
      for (const id of made) await callSandbox(target.url, target.token, 'DELETE', `${ROUTE}/${id}`)
    },
  }
}

/** `added a.txt` and so on, in the order of the answer. */
export const pathsOf = (diff: { files: { filePath: string; changeType: string }[] }): string[] =>
  diff.files.map((file) => `${file.changeType} ${file.filePath}`)

/** The id a file has in the diff. */
export function idOf(diff: { files: { filePath: string; id: string }[] }, path: string): string {
  const file = diff.files.find((each) => each.filePath === path)
  expect(file, `${path} in ${diff.files.map((each) => each.filePath).join(', ')}`).toBeDefined()
  return file!.id
}
