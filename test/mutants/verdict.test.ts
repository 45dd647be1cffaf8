/** Aim: only a mutant that is found for what is wrong with it counts as killed. Method: reports of checks, good and bad. */

import { describe, expect, it } from 'vitest';
import type { Check } from './mutant.js';
import type { Ending } from './verdict.js';
import { verdictOf } from './verdict.js';

const ended = (exitCode: number, report: unknown): Ending => ({
  exitCode,
  timedOut: false,
  stdout: `progress\n${JSON.stringify(report)}\n`,
  stderr: '',
});

const properties: Check = { check: 'properties', seeds: 10 };
const turmoil: Check = { check: 'turmoil', seeds: 10 };
const unit: Check = { check: 'unit', file: 'test/x.test.ts' };
const explorer: Check = { check: 'explorer', scope: 'x', statesMax: 10 };
const crashStates: Check = { check: 'crash-states', options: [] };

const finding = { seed: 7, name: 'one-value-per-slot', message: 'one-value-per-slot: slot 1' };
const tests = (status: string, ...failureMessages: string[]) => ({
  numTotalTests: 3,
  testResults: [{ message: '', assertionResults: [{ fullName: 'a test', status, failureMessages }] }],
});

describe('killed', () => {
  it.each([
    [properties, { seeds: 7, finding }, 'one-value-per-slot', 'seed 7'],
    [{ check: 'simulation', seeds: 10 }, { seeds: 7, finding }, 'one-value-per-slot', 'seed 7'],
    [turmoil, { seeds: 7, finding }, 'one-value-per-slot', 'seed 7'],
    [unit, tests('failed', 'AssertionError: expected 1 to be 2'), 'a test', ''],
    [
      explorer,
      { scopes: [{ states: 5, depth: 2, violation: { property: 'one-value', message: 'slot 1' } }] },
      'one-value',
      '5 states, depth 2',
    ],
    [
      crashStates,
      { results: [{ counts: { images: 9 }, violations: [{ what: 'lost: record 1' }] }] },
      'lost: record 1',
      '9 images',
    ],
    [crashStates, { results: [{ counts: { flips: 9 }, violations: ['bit 3'] }] }, 'bit 3', '9 flips'],
  ] as const)('by $check', (check, report, by, after) => {
    expect(verdictOf(check, ended(1, report))).toMatchObject({ kind: 'killed', by, after });
  });
});

describe('survived', () => {
  it.each([
    [properties, { seeds: 10, finding: null }],
    [turmoil, { seeds: 10, finding: null }],
    [unit, tests('passed')],
    [explorer, { scopes: [{ states: 5, depth: 2, violation: null }] }],
    [crashStates, { results: [{ counts: { images: 9 }, violations: [] }] }],
  ] as const)('$check', (check, report) => {
    expect(verdictOf(check, ended(0, report)).kind).toBe('survived');
  });
});

describe('neither', () => {
  it.each([
    ['did not end', properties, { ...ended(1, { seeds: 7, finding }), timedOut: true }],
    ['printed nothing', properties, { ...ended(1, null), stdout: '' }],
    ['printed something else', properties, { ...ended(1, null), stdout: 'SyntaxError: Unexpected token\n' }],
    ['has another report', properties, ended(1, {})],
    ['fails, and says that all is well', properties, ended(1, { seeds: 7, finding: null })],
    ['ends well, and says that it fails', properties, ended(0, { seeds: 7, finding })],
    [
      'stumbles over a slip of the mutant',
      properties,
      ended(1, { seeds: 1, finding: { ...finding, message: 'contract: TypeError: x is not a function' } }),
    ],
    [
      'ran no test',
      unit,
      ended(1, { numTotalTests: 0, testResults: [{ message: 'no', assertionResults: [] }] }),
    ],
    ['failed outside of its tests', unit, ended(1, tests('passed'))],
    ['waited for ever', unit, ended(1, tests('failed', 'Error: Test timed out in 30000ms.'))],
    ['stumbles in a test', unit, ended(1, tests('failed', 'ReferenceError: y is not defined'))],
    ['explored nothing', explorer, ended(0, { scopes: [] })],
    ['crashed nothing', crashStates, ended(0, { results: [] })],
  ] as const)('where the check %s', (_, check, ending) => {
    expect(verdictOf(check, ending).kind).toBe('broken');
  });
});
