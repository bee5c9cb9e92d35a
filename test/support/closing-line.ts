/** The last line of a test run, readable by any script: `N passed, N failed, N skipped`. */
import process from 'node:process'
import type { Reporter, TestModule } from 'vitest/node'

const reporter: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) counts.failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed' || state === 'failed') counts[state] += 1
        else counts.skipped += 1
      }
    }
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
  },
}

export default class ClosingLine {
  onTestRunEnd = reporter.onTestRunEnd
}
