/** GET /docs: the API for people. */
import { docsPage } from '../docs/page.ts'
import { PAGE_POLICY } from '../docs/style.ts'
import { openApiText } from '../plugins/openapi.ts'
import type { RouteApp } from '../route-app.ts'
import { textAnswer } from '../schemas/health.ts'

export function addDocsRoute(app: RouteApp): void {
  let page: string | null = null
  app.route({
    method: 'GET',
    url: '/docs',
    config: { isPage: true },
    schema: {
      operationId: 'getDocs',
      tags: ['service'],
      summary: 'This document as a page',
      description: 'HTML without scripts; loads nothing.',
      response: { 200: { description: 'The page.', content: { 'text/html': { schema: textAnswer } } } },
    },
    handler: async (_request, reply) => {
      page ??= docsPage(openApiText(app))
      return reply.header('content-security-policy', PAGE_POLICY).type('text/html; charset=utf-8').send(page)
    },
  })
}
