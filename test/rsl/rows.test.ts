/** Aim: docs/rsl.md has every row of RSL's features, and each claim in it names a test that is there. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROWS = 83;
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Row {
  readonly row: number;
  readonly rsl: string;
  readonly synod: string;
  readonly test: string;
}

const rows: readonly Row[] = readFileSync(path.join(root, 'docs/rsl.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line))
  .map((line) => {
    // A bar inside of a cell has a backslash before it.
    const [row, rsl, synod, test] = line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    return { row: Number(row), rsl: rsl!, synod: synod!, test: test! };
  });

/** Whether the file has a test of that name, which is not passed over whatever the circumstances. */
function hasTest(file: string, name: string): boolean {
  const text = readFileSync(path.join(root, file), 'utf8');
  const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`\\b(?:it|test)(?:\\.each\\([\\s\\S]*?\\))?\\(\\s*(['"\`])${quoted}\\1`).test(text);
}

it('are all there, in order', () => {
  expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: ROWS }, (_, index) => index + 1));
});

it('would miss a test that is not there', () => {
  expect(hasTest('test/rsl/rows.test.ts', 'are all there, in order')).toBe(true);
  expect(hasTest('test/rsl/rows.test.ts', ['no such', 'test'].join(' '))).toBe(false);
});

describe('the table of RSL', () => {
  it.each(rows)('row $row: $rsl', ({ rsl, synod, test }) => {
    expect(rsl).not.toBe('');
    if (test === '–') {
      // Without a test only what is not there, with the reason.
      expect(synod).toMatch(/^(None: |Not yet|\[testing\.md\])/);
      return;
    }
    const [, file, name] = /^`(test\/[^`]+\.test\.ts)`: (.+)$/.exec(test) ?? [];
    expect(file, test).toBeDefined();
    expect(existsSync(path.join(root, file!)), file).toBe(true);
    expect(hasTest(file!, name!), `${file}: ${name}`).toBe(true);
  });
});
