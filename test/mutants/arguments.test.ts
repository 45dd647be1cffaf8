import { describe, expect, it } from 'vitest';
import { parseArguments, UsageError } from './arguments.js';
import { CANARY } from './corpus/index.js';

describe('the command line of the mutants', () => {
  it('asks for all of them where it says nothing', () => {
    expect(parseArguments([])).toEqual({
      only: null,
      check: null,
      part: { index: 1, of: 1 },
      jobs: 1,
      minutes: null,
      timeoutMs: 180_000,
      list: false,
      json: false,
    });
  });

  it('names mutants, a check and a part', () => {
    const parsed = parseArguments([
      '--only',
      CANARY,
      '--check',
      'unit',
      '--part',
      '2/5',
      '--jobs',
      '2',
      '--minutes',
      '9',
      '--json',
    ]);
    expect(parsed).toMatchObject({
      only: new Set([CANARY]),
      check: 'unit',
      part: { index: 2, of: 5 },
      jobs: 2,
      minutes: 9,
      json: true,
    });
  });

  it.each([
    [['--only', 'nobody']],
    [['--check', 'nothing']],
    [['--part', '3/2']],
    [['--part', '0/2']],
    [['--part', 'all']],
    [['--jobs', '0']],
    [['--minutes', '0']],
    [['--timeout', 'long']],
    [['--unknown']],
    [['word']],
  ])('refuses %j', (parameters) => {
    expect(() => parseArguments(parameters)).toThrow(UsageError);
  });
});
