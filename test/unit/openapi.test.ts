import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'

let app: Awaited<ReturnType<typeof buildServer>>
let text: string

beforeAll(async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  app = await buildServer(apiDeps({ version }).deps)
  text = (await app.inject('/api/v1/openapi.json')).body
})
afterAll(() => app.close())

describe('the OpenAPI document', () => {
  it('is the one that is checked in', async () => {
    await expect(text).toMatchFileSnapshot('../../api/openapi.json')
  })

  it('holds every route', () => {
    const { paths } = JSON.parse(text)

    const documented = Object.entries<object>(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )

    expect(documented.sort()).toEqual(registered(app.printRoutes({ commonPrefix: false })).sort())
    expect(documented.length).toBeGreaterThanOrEqual(27)
  })

  it('leads nowhere by no reference', () => {
    const { schemas } = JSON.parse(text).components

    const refs = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name)

    expect(new Set(refs)).toEqual(new Set(Object.keys(schemas)))
  })

  it('gives every operation a name, a summary, a description and its errors', () => {
    const { paths } = JSON.parse(text)

    for (const methods of Object.values<Record<string, Record<string, unknown>>>(paths)) {
      for (const operation of Object.values(methods)) {
        expect(operation).toMatchObject({
          operationId: expect.any(String),
          summary: expect.any(String),
          description: expect.any(String),
        })
      }
    }
  })
})

/** The routes as fastify prints them: a tree of path pieces, each with its methods. */
function registered(tree: string): string[] {
  const stack: string[] = []
  return tree.split('\n').flatMap((line) => {
    const match = /^([│ ]*)(?:├──|└──) (\S+)(?: \(([^)]+)\))?/.exec(line)
    if (!match) return []
    const [, indent = '', piece = '', methods] = match
    const depth = indent.length / 4
    stack.length = depth
    stack[depth] = piece
    const path = stack.join('').replace(/:(\w+)/g, '{$1}')
    return (methods ?? '')
      .split(', ')
      .filter((method) => method !== '' && method !== 'HEAD')
      .map((method) => `${method} ${path}`)
  })
}
