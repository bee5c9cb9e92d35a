/** A conversation as a Markdown document for people. Pure. */
import type { InteractionEntry, ToolCallEntry, TranscriptEntry } from './transcript.ts'

/** One piece of the document; a heading stands before the first of each turn. */
export function markdownOf(entry: TranscriptEntry, isFirstOfTurn: boolean): string {
  const heading = isFirstOfTurn ? `## Turn ${entry.turn}\n\n` : ''
  return `${heading}### ${titleOf(entry)}\n\n${bodyOf(entry)}\n\n`
}

function titleOf(entry: TranscriptEntry): string {
  const who = `#${entry.sequence} ${entry.createdAt.toISOString()}`
  switch (entry.kind) {
    case 'text':
      return `${entry.role}${entry.input ? ` (${entry.input.source})` : ''} ${who}`
    case 'thinking':
      return `thinking ${who}`
    case 'tool_call':
      return `tool ${oneLine(entry.toolName)} ${who}`
    case 'interaction':
      return `${entry.asks} ${who}`
  }
}

function bodyOf(entry: TranscriptEntry): string {
  switch (entry.kind) {
    case 'text':
    case 'thinking':
      return fenced(entry.text, '')
    case 'tool_call':
      return callOf(entry)
    case 'interaction':
      return interactionOf(entry)
  }
}

function callOf({ input, result }: ToolCallEntry): string {
  const call = fenced(JSON.stringify(input, null, 2) ?? 'null', 'json')
  if (result === null) return `${call}\n\nNo result.`
  const failure = result.error === null ? '' : `\n\nError: ${oneLine(result.error)}`
  const output = result.output === '' ? 'No output.' : fenced(result.output, '')
  return `${call}\n\n${result.success ? 'Succeeded.' : 'Failed.'}${failure}\n\n${output}`
}

function interactionOf({ toolName, detail, outcome }: InteractionEntry): string {
  const asked = fenced([toolName, detail].filter((part) => part !== null).join(': '), '')
  if (outcome === null) return `${asked}\n\nNot answered.`
  const by = outcome.decidedBy === null ? '' : ` by ${oneLine(outcome.decidedBy)}`
  const decided = `${outcome.status}${outcome.decision === null ? '' : `: ${outcome.decision}`}${by}`
  return `${asked}\n\n${decided}${outcome.reason === null ? '' : `\n\n${fenced(outcome.reason, '')}`}`
}

/** In a fence that nothing in the text can close: what an agent writes is never taken for the document's own. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${text}\n${fence}`
}

const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ').slice(0, 200)
