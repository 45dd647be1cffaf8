/** The fuzzer's own proof: a parser that is known to be broken. Not among the targets that run when none is named. */

import type { Random } from '../random.js';
import { type FuzzTarget, text } from '../target.js';
import { parseToy, ToyError, toyChecksum } from '../toy-parser.js';

export const canary: FuzzTarget = {
  name: 'canary',
  about: 'a broken toy parser; the fuzzer must find its bug',
  inputBytesMax: 256,
  guides: ['/test/fuzz/toy-parser'],
  seeds: () => [text('hello')],
  repair(input: Uint8Array, _random: Random): Uint8Array {
    if (input.length > 4) input[4] = toyChecksum(input.subarray(5));
    return input;
  },
  run(input) {
    try {
      parseToy(input);
    } catch (error) {
      if (!(error instanceof ToyError)) throw error;
    }
  },
};
