/**
 * `npm run bench [-- NAME]`: one JSON object a benchmark, `{"name","value","unit","baseline","ratio"}`. Value and
 * baseline are measured in turns within one run on one machine: the ratio is what can be compared.
 */
import process from 'node:process'
import { appendBatched, appendOne } from './append.ts'
import { openBenchDatabase } from './database.ts'
import type { Benchmark } from './measure.ts'

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  append_batched: appendBatched,
  append_one: appendOne,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !Object.hasOwn(BENCHMARKS, name))
if (unknown.length > 0) {
  process.stderr.write(
    `bench: there is no ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}\n`,
  )
  process.exit(64)
}
const database = await openBenchDatabase()
try {
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stdout.write(`${JSON.stringify({ name, ...(await benchmark(database.db)) })}\n`)
  }
} finally {
  await database.close()
}
