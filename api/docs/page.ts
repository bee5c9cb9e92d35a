/** The API as one page of plain HTML: no script, nothing loaded. Made from the same document as openapi.json. */
import { type ApiDocument, apiDocument, type Operation } from './document.ts'
import { aboutHtml, membersHtml, schemaId, typeHtml } from './schema-html.ts'
import { STYLE } from './style.ts'
import { escapeHtml, prose } from './text.ts'

interface Entry {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

/** @param openApi the text of an OpenAPI document */
export function docsPage(openApi: string): string {
  const document = apiDocument.parse(JSON.parse(openApi))
  const { title, version, description } = document.info
  const name = escapeHtml(`${title} ${version}`)
  const entries = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${name}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${name}</h1>
${prose(description)}
<p><a href="/api/v1/openapi.json">openapi.json</a> is the same for programs.</p>
${document.tags.map((tag) => tagHtml(tag, entries)).join('\n')}
<h2>Schemas</h2>
${schemasHtml(document)}
</body>
</html>
`
}

function tagHtml(tag: ApiDocument['tags'][number], entries: readonly Entry[]): string {
  const own = entries.filter(({ operation }) => operation.tags.includes(tag.name))
  return `<h2>${escapeHtml(tag.name)}</h2>
${prose(tag.description)}
${own.map(operationHtml).join('\n')}`
}

function operationHtml({ method, path, operation }: Entry): string {
  const { parameters, requestBody, responses } = operation
  const struck = operation.deprecated ? ' deprecated' : ''
  return `<details id="${escapeHtml(operation.operationId)}">
<summary><span class="method">${escapeHtml(method.toUpperCase())}</span> <span class="path${struck}">${escapeHtml(path)}</span> <span class="soft">${escapeHtml(operation.summary)}</span></summary>
${prose(operation.description)}
${parametersHtml(parameters)}
${bodyHtml(requestBody?.content)}
${responsesHtml(responses)}
</details>`
}

function parametersHtml(parameters: Operation['parameters']): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(
    ({ name, in: place, required, description, schema }) =>
      `<tr><td><code>${escapeHtml(name)}</code> <span class="soft">${escapeHtml(place)}${required ? '' : ', optional'}</span></td><td>${prose(description)}${schema && schema.description !== description ? aboutHtml(schema) : ''}</td></tr>`,
  )
  return `<table><thead><tr><th>parameter</th><th>what</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`
}

type Content = NonNullable<Operation['requestBody']>['content']

function bodyHtml(content: Content): string {
  const parts = Object.entries(content ?? {})
  return parts
    .map(
      ([type, { schema }]) =>
        `<h4>Body <span class="soft">${escapeHtml(type)}</span></h4>${schema ? shapeHtml(schema) : ''}`,
    )
    .join('\n')
}

const shapeHtml = (schema: Parameters<typeof typeHtml>[0]): string =>
  membersHtml(schema) || `<p>${typeHtml(schema)}</p>`

function responsesHtml(responses: Operation['responses']): string {
  const rows = Object.entries(responses).map(([status, { description, content }]) => {
    const shapes = Object.values(content ?? {}).map(({ schema }) => (schema ? shapeHtml(schema) : ''))
    return `<tr><td><strong>${escapeHtml(status)}</strong></td><td>${prose(description)}${Number(status) < 400 ? shapes.join('') : ''}</td></tr>`
  })
  return `<table><thead><tr><th>answer</th><th>what</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`
}

const schemasHtml = ({ components }: ApiDocument): string =>
  Object.entries(components.schemas)
    .map(
      ([name, schema]) => `<details id="${schemaId(name)}">
<summary><code>${escapeHtml(name)}</code> <span class="soft">${escapeHtml(schema.description ?? '')}</span></summary>
${membersHtml(schema) || `<p>${typeHtml(schema)}</p>${aboutHtml(schema)}`}
</details>`,
    )
    .join('\n')
