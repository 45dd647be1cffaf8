import { defineConfig } from 'vitest/config';

/** Tests that start processes of the compiled program; `test/built.setup.ts` compiles it first. */
const processTests = ['test/cluster/**/*.test.ts', 'test/**/*.process.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/tidy/**', ...processTests],
          pool: 'forks',
          setupFiles: ['test/contracts.setup.ts', 'test/shrinking.setup.ts'],
          testTimeout: 30_000,
        },
      },
      { test: { name: 'tidy', include: ['test/tidy/**/*.test.ts'], pool: 'forks', testTimeout: 60_000 } },
      {
        test: {
          name: 'cluster',
          include: processTests,
          globalSetup: ['test/built.setup.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
