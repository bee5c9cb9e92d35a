/**
 * The end of a test run, readable by any script: what could not run here and why, then the last line
 * `N passed, N failed, N skipped`.
 */
import process from 'node:process'
import type { Reporter, TestModule } from 'vitest/node'

const reporter: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    const notRun: string[] = []
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) counts.failed += 1
      for (const test of module.children.allTests()) {
        const result = test.result()
        const { state } = result
        if (state === 'passed' || state === 'failed') counts[state] += 1
        else counts.skipped += 1
        if (state === 'skipped' && result.note) notRun.push(`not run here: ${test.fullName}: ${result.note}`)
      }
    }
    for (const line of notRun) process.stdout.write(`\n${line}`)
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
  },
}

export default class ClosingLine {
  onTestRunEnd = reporter.onTestRunEnd
}
