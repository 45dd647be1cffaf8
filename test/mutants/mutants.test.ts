/** Aim: every mutant fits the code as it is, and what it makes of it is TypeScript. Whether it is found is `npm run mutants`. */

import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CANARY, mutants } from './corpus/index.js';
import type { Mutant } from './mutant.js';
import { mutate, StaleMutantError } from './mutant.js';

const read = (file: string): string => readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8');

describe('every mutant', () => {
  it.each(mutants)('$name fits the code and can be compiled', (mutant) => {
    for (const [file, text] of mutate(mutant, read)) {
      const { diagnostics } = ts.transpileModule(text, { fileName: file, reportDiagnostics: true });
      expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([]);
      expect(text).not.toBe(read(file));
    }
  });

  it('has a name of its own, in kebab-case', () => {
    const names = mutants.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
  });

  it('names tests that exist', () => {
    const files = mutants.flatMap(({ killedBy }) =>
      killedBy.flatMap((check) => (check.check === 'unit' ? [check.file] : [])),
    );
    expect(files.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)))).toEqual([]);
  });

  it('is one of at least 40, the canary among them', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(40);
    expect(mutants.some(({ name }) => name === CANARY)).toBe(true);
  });
});

describe('a mutant that does not fit', () => {
  const mutant = (find: string, put: string): Mutant => ({
    name: 'sample',
    fault: 'log',
    mimics: 'none',
    edits: [{ file: 'x.ts', find, put }],
    killedBy: [{ check: 'properties', seeds: 1 }],
  });

  it.each([
    ['because the text is gone', 'three', 'four', /does not contain "three"/],
    ['because the text is there twice', 'one', 'four', /contains "one" more than once/],
    ['because it changes nothing', 'two', 'two', /nothing is changed/],
  ])('%s', (_, find, put, message) => {
    const attempt = () => mutate(mutant(find, put), () => 'one two one');
    expect(attempt).toThrow(StaleMutantError);
    expect(attempt).toThrow(message);
  });

  it('is told from one that does', () => {
    expect(mutate(mutant('two', 'four'), () => 'one two one').get('x.ts')).toBe('one four one');
  });
});
