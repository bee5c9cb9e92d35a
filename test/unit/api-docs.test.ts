import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { docsPage } from '../../api/docs/page.ts'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'

let app: Awaited<ReturnType<typeof buildServer>>
let page: Awaited<ReturnType<typeof app.inject>>
beforeAll(async () => {
  app = await buildServer(apiDeps().deps)
  page = await app.inject('/docs')
})
afterAll(() => app.close())

describe('the page of the API', () => {
  test('shows every operation and every schema of the document', async () => {
    const { paths, components } = (await app.inject('/api/v1/openapi.json')).json()
    const operations = Object.values<Record<string, { operationId: string; summary: string }>>(paths).flatMap(
      (methods) => Object.values(methods),
    )

    expect(page.statusCode).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(operations.length).toBeGreaterThan(20)
    for (const { operationId } of operations) expect(page.body).toContain(`<details id="${operationId}">`)
    for (const name of Object.keys(components.schemas)) expect(page.body).toContain(`id="schema-${name}"`)
  })

  test('has no link that leads nowhere, and loads nothing', () => {
    const links = [...page.body.matchAll(/ (?:href|src|action)="([^"]*)"/g)].map(([, to]) => to ?? '')
    const ids = new Set([...page.body.matchAll(/ id="([^"]*)"/g)].map(([, id]) => `#${id}`))

    expect(links.filter((to) => !ids.has(to))).toEqual(['/api/v1/openapi.json'])
    expect(page.body).not.toMatch(/<(script|link|img|iframe|object|form)\b|@import|url\(|\son\w+=/i)
  })

  test('may do nothing but show its own style', () => {
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page.body) ?? []
    const digest = createHash('sha256').update(style).digest('base64')

    expect(page.headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    )
    expect(page.headers['x-content-type-options']).toBe('nosniff')
    expect(page.body).not.toContain(' style=')
  })

  test('shows text as text', () => {
    const evil = '<script>alert(1)</script>"\'&`<img src=x>`'
    const html = docsPage(
      JSON.stringify({
        info: { title: evil, version: evil, description: evil },
        tags: [{ name: evil, description: evil }],
        paths: {
          [`/${evil}`]: {
            get: {
              operationId: evil,
              summary: evil,
              description: evil,
              tags: [evil],
              parameters: [{ in: evil, name: evil, description: evil, schema: { enum: [evil] } }],
              requestBody: { content: { [evil]: { schema: { type: evil } } } },
              responses: { [evil]: { description: evil } },
            },
          },
        },
        components: { schemas: { [evil]: { description: evil, properties: { [evil]: { const: evil } } } } },
      }),
    )

    expect(html).not.toMatch(/<script|<img|="[^"]*['<>]/)
  })
})
