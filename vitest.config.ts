import { defineConfig } from 'vitest/config';

/** Tests that start processes of the compiled program; `test/built.setup.ts` compiles it first. */
const processTests = ['test/cluster/**/*.test.ts', 'test/**/*.process.test.ts'];

/** All processors: a file of tests waits about as long as it works. */
const maxWorkers = '100%';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/tidy/**', ...processTests],
          pool: 'forks',
          maxWorkers,
          setupFiles: ['test/contracts.setup.ts', 'test/shrinking.setup.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'tidy',
          include: ['test/tidy/**/*.test.ts'],
          pool: 'forks',
          maxWorkers,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'cluster',
          include: processTests,
          globalSetup: ['test/built.setup.ts'],
          pool: 'forks',
          // Behind the others: what starts processes needs the machine for itself.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
