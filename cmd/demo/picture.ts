/** What the demo shows: a calm column of what happens, readable with and without colours. */
import process from 'node:process'
import { styleText } from 'node:util'
import { isObject, type Json, member, text } from './client.ts'

const LABEL_WIDTH = 9
const LONGEST = 96

type Style = Parameters<typeof styleText>[0]
const paint = (style: Style, line: string): string => styleText(style, line, { stream: process.stdout })
const print = (line = ''): boolean => process.stdout.write(`${line}\n`)

export function heading(title: string): void {
  print()
  print(paint('bold', title))
}

export function say(label: string, line: string, style: Style = 'reset'): void {
  print(`  ${paint('dim', label.padEnd(LABEL_WIDTH))} ${paint(style, short(line))}`)
}

export function sentence(line: string): void {
  print(line)
}

/** One line an event; noise is left out. */
export function showEvent(event: Json): void {
  const line = lineOf(event)
  if (line) say(line[0], line[1], line[2])
}

function lineOf(event: Json): [string, string, Style] | null {
  if ('status' in event) return ['status', text(member(event, 'status')['new_status']), 'cyan']
  if ('message' in event) return ['agent', text(member(event, 'message')['content']), 'reset']
  if ('thinking' in event) return ['thinks', text(member(event, 'thinking')['text']), 'dim']
  if ('tool_call' in event) return ['tool', toolLine(member(event, 'tool_call')), 'yellow']
  if ('tool_result' in event) return resultLine(member(event, 'tool_result'))
  if ('sandbox' in event) return sandboxLine(member(event, 'sandbox'))
  if ('error' in event) return ['error', text(member(event, 'error')['message']), 'red']
  return null
}

function toolLine(call: Json): string {
  const input = member(call, 'input')
  // The sandbox lies deep in a temporary folder: what counts is the path in the project.
  const about = ['command', 'filePath', 'path', 'pattern', 'url']
    .map((name) => text(input[name]))
    .find((value) => value)
    ?.replace(/^.*\/workspace\//, '')
  return `${text(call['tool_name'])} ${about ?? ''}`
}

function resultLine(result: Json): [string, string, Style] | null {
  if (result['success'] === true) return null
  return ['refused', text(result['error']) || 'the tool failed', 'red']
}

function sandboxLine(sandbox: Json): [string, string, Style] {
  return ['sandbox', `${text(sandbox['action'])} (${text(sandbox['driver'])} driver)`, 'cyan']
}

export function showDiff(content: string): void {
  for (const line of content.trimEnd().split('\n')) print(`  ${paint(diffStyle(line), line)}`)
}

function diffStyle(line: string): Style {
  if (line.startsWith('+') && !line.startsWith('+++')) return 'green'
  if (line.startsWith('-') && !line.startsWith('---')) return 'red'
  return line.startsWith('@@') || line.startsWith('diff ') ? 'cyan' : 'dim'
}

export function showBlock(block: string): void {
  for (const line of block.trimEnd().split('\n')) print(`  ${line}`)
}

const short = (line: string): string => {
  const flat = line.replaceAll(/\s+/g, ' ').trim()
  return flat.length > LONGEST ? `${flat.slice(0, LONGEST - 1)}…` : flat
}

/** Whether this event ends the turn. */
export function isTurnEnd(event: Json): boolean {
  const status = text(member(event, 'status')['new_status'])
  return isObject(event['status']) && ['needs_review', 'complete', 'failed', 'cancelled'].includes(status)
}
