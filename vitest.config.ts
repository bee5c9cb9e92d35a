import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    // Two cores: more workers only make the timings of real processes worse.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      {
        extends: true,
        test: {
          name: 'sandbox',
          include: ['test/sandbox/**/*.test.ts'],
          globalSetup: ['test/sandbox/targets.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      { extends: true, test: { name: 'chaos', include: ['test/chaos/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,e2e,consumers,fuzz}/**/*.test.ts'],
          globalSetup: ['test/support/postgres-server.ts'],
          testTimeout: 60_000,
          // The first test that needs an agent's CLI fetches it: 60 to 180 MB.
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'streams',
          include: ['test/streams/**/*.test.ts'],
          globalSetup: ['test/support/postgres-server.ts'],
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
