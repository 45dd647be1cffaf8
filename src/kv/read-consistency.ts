/**
 * `SYNOD CONSISTENCY` and `SYNOD TOKEN`: what the reads of a connection must see. A client that goes to another replica takes a token
 * along, and sees there at least what it was told here.
 */

import type { Consistency } from '../index.js';
import { parseToken } from '../token.js';
import { parseIntegerText } from './integers.js';

/** The words behind `SYNOD CONSISTENCY`; null where they are none. Throws `ERR_SYNOD_TOKEN`. */
export function parseConsistency(words: readonly string[]): Consistency | null {
  const [first = '', value, ...tooMany] = words;
  const kind = first.toLowerCase();
  if (tooMany.length > 0) return null;
  if (value === undefined) return kind === 'linearizable' || kind === 'lease' ? kind : null;
  if (kind === 'after') {
    parseToken(value);
    return { after: value };
  }
  if (kind !== 'maxage') return null;
  const maxAgeMs = Number(parseIntegerText(value) ?? Number.NaN);
  return maxAgeMs >= 0 ? { maxAgeMs } : null;
}

/** As the words say it. */
export function describeConsistency(consistency: Consistency): string {
  if (typeof consistency === 'string') return consistency;
  const { after, maxAgeMs } = consistency;
  return after === undefined ? `maxage ${maxAgeMs}` : `after ${after}`;
}
