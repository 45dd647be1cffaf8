/** Every contract has a name that can be read, a meaning, a test that trips it and its line in docs/contracts.md. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findContracts, findRules, findTrips } from './finder.js';
import { meanings } from './meanings.js';
import { makePage } from './page.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { contracts, bad } = findContracts(root);
const names = contracts.map(({ name }) => name);

describe('contracts', () => {
  it('are found at all', () => {
    expect(names.length).toBeGreaterThan(140);
  });

  it('say their names, change nothing, and stand alone: a build may leave them out', () => {
    expect(bad).toEqual([]);
  });

  it('are all tripped on purpose', () => {
    const trips = findTrips(root);
    expect(names.filter((name) => !trips.has(name))).toEqual([]);
  });

  it('all have a meaning, and no two the same but where they are alike', () => {
    expect(Object.keys(meanings).sort()).toEqual([...names].sort());
    const sentences = Object.entries(meanings).filter(([name]) => !name.endsWith('-release-once'));
    expect(new Set(sentences.map(([, sentence]) => sentence)).size).toBe(sentences.length);
  });

  it('of the protocol belong to one rule each, and the rules name no others', () => {
    const ruled = findRules(root).flatMap((rule) => rule.names);
    expect(new Set(ruled).size).toBe(ruled.length);
    expect(ruled.filter((name) => !names.includes(name))).toEqual([]);
    const unruled = contracts.filter(
      ({ name, files }) => files.some((file) => file.startsWith('protocol/')) && !ruled.includes(name),
    );
    expect(unruled.map(({ name }) => name)).toEqual(['complete-dispatch']);
  });

  it('are listed in docs/contracts.md: npm run contracts', () => {
    expect(readFileSync(path.join(root, 'docs/contracts.md'), 'utf8')).toBe(makePage(root));
  });
});
