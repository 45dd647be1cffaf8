/** Aim: a token comes back as it was made, and nothing else is taken for one. */

import { describe, expect, it } from 'vitest';
import { parseToken, SynodError } from '../src/index.js';
import { formatToken } from '../src/token.js';

describe('a token', () => {
  it('is a short text that stands for a slot', () => {
    for (const slot of [0, 1, 9, 10, 1234567, Number.MAX_SAFE_INTEGER]) {
      expect(parseToken(formatToken(slot))).toBe(slot);
      expect(formatToken(slot)).toMatch(/^[a-z0-9]{2,17}$/);
    }
    expect(formatToken(42)).toBe('s42');
  });

  it('is refused where it is anything else', () => {
    const wrong = [
      '',
      's',
      '42',
      's042',
      's-1',
      's1.5',
      's1e3',
      ' s1',
      's1\n',
      'S1',
      's9007199254740992',
      's99999999999999999',
      7,
      null,
      undefined,
      {},
    ];
    for (const text of wrong) {
      try {
        parseToken(text);
        expect.fail(`taken: ${JSON.stringify(text)}`);
      } catch (error) {
        expect(SynodError.is(error) && [error.code, error.outcome]).toEqual([
          'ERR_SYNOD_TOKEN',
          'not-applied',
        ]);
      }
    }
  });
});
