/**
 * Line and branch coverage of the pure rooms by their own tests: `npm run coverage`. Below the thresholds it fails.
 *
 * Left out: `effects.ts`, `inputs.ts` and `messages.ts` of the protocol, which are types and compile to nothing.
 */

import { defineConfig } from 'vitest/config';

const enough = { lines: 98, branches: 98, statements: 98 };

export default defineConfig({
  test: {
    name: 'coverage',
    include: ['test/protocol/**/*.test.ts', 'test/log/**/*.test.ts', 'test/wire/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['test/contracts.setup.ts'],
    testTimeout: 60_000,
    coverage: {
      enabled: true,
      provider: 'v8',
      include: ['src/protocol/**', 'src/log/**', 'src/wire/**'],
      exclude: ['src/protocol/effects.ts', 'src/protocol/inputs.ts', 'src/protocol/messages.ts'],
      reporter: ['text', 'json-summary'],
      reportsDirectory: 'coverage',
      // Not of functions: the text of a broken contract's detail is one, and most are made by nobody.
      thresholds: { 'src/protocol/**': enough, 'src/log/**': enough, 'src/wire/**': enough },
    },
  },
});
