/**
 * Scripts that once failed: each file in `seeds/` holds one, made as short as it would go, and what it found. They pass now.
 * A change of the simulator may make an old script another run; the bug then still has its own test where the file says so.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runScript } from './run.js';
import type { Script } from './script.js';

interface KeptScript {
  /** What was wrong, and where it was mended. */
  readonly found: string;
  readonly invariant: string;
  readonly script: Script;
}

const folder = new URL('seeds/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

test.each(files)('%s', (name) => {
  const { script, found } = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as KeptScript;
  expect(runScript(script).violation, found).toBeNull();
});

test('there are some', () => {
  expect(files.length).toBeGreaterThan(0);
});
