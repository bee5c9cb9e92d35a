/** Schemas as tables: a row a member, references as links. */
import type { Schema } from './document.ts'
import { escapeHtml, prose } from './text.ts'

/** Objects inside objects are unfolded so far; deeper ones are only named. */
const MAX_DEPTH = 4

export const schemaId = (name: string): string => `schema-${escapeHtml(name)}`

const refName = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)

/** In a few words: `string or null`, `list of Run`. */
export function typeHtml(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = refName(schema.$ref)
    return `<a href="#${schemaId(name)}">${escapeHtml(name)}</a>`
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (choices) return choices.map(typeHtml).join(schema.allOf ? ' and ' : ' or ')
  if (schema.const !== undefined) return code(schema.const)
  const types = [schema.type ?? 'any']
    .flat()
    .filter((type) => type !== 'null' || !schema.enum?.includes(null))
  const words = types.map((type) =>
    type === 'array' ? `list of ${schema.items ? typeHtml(schema.items) : 'any'}` : escapeHtml(type),
  )
  return words.join(' or ')
}

const code = (value: unknown): string => `<code>${escapeHtml(JSON.stringify(value))}</code>`

/** The members of an object schema, or nothing where it has none. */
export function membersHtml(schema: Schema, depth = 0): string {
  const properties = Object.entries(schema.properties ?? {})
  if (properties.length === 0) return ''
  const rows = properties.map(([name, member]) => memberRow(name, member, schema, depth)).join('\n')
  return `<table><thead><tr><th>member</th><th>what</th></tr></thead><tbody>${rows}</tbody></table>`
}

function memberRow(name: string, member: Schema, owner: Schema, depth: number): string {
  const words = member.deprecated ? ' <span class="soft">deprecated</span>' : ''
  const isRequired = owner.required?.includes(name) ?? false
  const label = `<code${member.deprecated ? ' class="deprecated"' : ''}>${escapeHtml(name)}</code>`
  return `<tr><td>${label}${isRequired ? '' : ' <span class="soft">optional</span>'}${words}<br><span class="soft">${typeHtml(member)}</span></td><td>${aboutHtml(member, depth)}</td></tr>`
}

/** Description, values and, folded, the members of an object inside. */
export function aboutHtml(schema: Schema, depth = 0): string {
  const values = schema.enum ? `<p>${schema.enum.map(code).join(', ')}</p>` : ''
  const inner = innerObjects(schema)
    .map((each) => membersHtml(each, depth + 1))
    .filter((html) => html !== '')
  const folded =
    inner.length > 0 && depth < MAX_DEPTH
      ? `<details><summary>members</summary>${inner.join('\n')}</details>`
      : ''
  return `${schema.description ? prose(schema.description) : ''}${values}${folded}`
}

const innerObjects = (schema: Schema): readonly Schema[] =>
  schema.properties
    ? [schema]
    : [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].flatMap(
        (each) => (each ? innerObjects(each) : []),
      )
