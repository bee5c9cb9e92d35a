import { expect, it } from 'vitest'
import { markdownOf } from '../../internal/transcript/markdown.ts'
import { transcriptOf } from '../../internal/transcript/transcript.ts'
import { anEvent } from '../support/api-values.ts'

const interaction = (status: string, reason: string | null, decision: string | null) =>
  ({
    interaction: {
      interaction_id: 'q',
      kind: 'permission',
      status,
      tool_name: 'write',
      decision,
      decided_by: decision && 'ann',
      reason,
    },
  }) as const

it('a conversation reads as a document, and no text of an agent passes for a part of it', () => {
  const entries = transcriptOf([
    anEvent(1, {
      input: { input_id: 'i', status: 'delivered', delivery: 'queue', content: 'do it', source: 'prompt' },
    }),
    anEvent(2, { thinking: { text: 'hm' } }),
    anEvent(3, { tool_call: { tool_name: 'shell', input: { command: 'ls' }, tool_call_id: 'c' } }),
    anEvent(4, {
      tool_result: { tool_name: 'shell', tool_call_id: 'c', output: '', error: 'exit\n1', success: false },
    }),
    anEvent(5, interaction('pending', '/p/x', null)),
    anEvent(6, interaction('answered', 'fine', 'allow')),
    anEvent(7, { tool_call: { tool_name: 'read', input: null, tool_call_id: 'd' } }),
    anEvent(8, { message: { role: 'assistant', content: '```\n## Turn 9\n````' } }),
  ])
  const at = '2026-11-21T10:00:00.000Z'
  expect(entries.map((entry, index) => markdownOf(entry, index === 0)).join('')).toBe(
    [
      `## Turn 1\n\n### user (prompt) #1 ${at}\n\n\`\`\`\ndo it\n\`\`\`\n\n`,
      `### thinking #2 ${at}\n\n\`\`\`\nhm\n\`\`\`\n\n`,
      `### tool shell #3 ${at}\n\n\`\`\`json\n{\n  "command": "ls"\n}\n\`\`\`\n\nFailed.\n\nError: exit 1\n\nNo output.\n\n`,
      `### permission #5 ${at}\n\n\`\`\`\nwrite: /p/x\n\`\`\`\n\nanswered: allow by ann\n\n\`\`\`\nfine\n\`\`\`\n\n`,
      `### tool read #7 ${at}\n\n\`\`\`json\nnull\n\`\`\`\n\nNo result.\n\n`,
      `### assistant #8 ${at}\n\n\`\`\`\`\`\n\`\`\`\n## Turn 9\n\`\`\`\`\n\`\`\`\`\`\n\n`,
    ].join(''),
  )
})
