/**
 * `npm run bench [-- NAME …]`: JSON objects, one a line, `{"name","value","unit","baseline","ratio"}`. Value and
 * baseline are measured within one run on one machine: the ratio is what can be compared. Names: append_batched,
 * append_one, run_overhead, sandbox_overlay, sandbox_copy; none: all.
 */
import process from 'node:process'
import { appendBatched, appendOne } from './append.ts'
import { openBenchDatabase } from './database.ts'
import type { Benchmark } from './measure.ts'
import { benchRun } from './run-overhead.ts'
import { benchSandbox } from './sandbox.ts'

const onDatabase = (name: string, benchmark: Benchmark) => async () => {
  const database = await openBenchDatabase()
  try {
    process.stdout.write(`${JSON.stringify({ name, ...(await benchmark(database.db)) })}\n`)
  } finally {
    await database.close()
  }
}

const BENCHMARKS: Readonly<Record<string, () => Promise<void>>> = {
  append_batched: onDatabase('append_batched', appendBatched),
  append_one: onDatabase('append_one', appendOne),
  run_overhead: benchRun,
  sandbox_overlay: () => benchSandbox('overlay'),
  sandbox_copy: () => benchSandbox('copy'),
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHMARKS, name))
if (unknown.length > 0) {
  const known = Object.keys(BENCHMARKS).join(', ')
  process.stderr.write(`bench: there is no ${unknown.join(', ')}; there are ${known}\n`)
  process.exit(64)
}
for (const [name, run] of Object.entries(BENCHMARKS)) {
  if (wanted.length === 0 || wanted.includes(name)) await run()
}
