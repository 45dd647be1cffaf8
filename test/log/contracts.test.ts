/** The contracts of the log that take a state that cannot be. The others are tripped in the tests of their files. */

import { expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { LogState } from '../../src/log/log-state.js';
import { makeRecordHeader } from '../../src/log/record.js';
import { LogRecovery } from '../../src/log/recovery.js';
import { judgeEnd, type Rule, recoveryRules } from '../../src/log/recovery-table.js';
import type { SegmentHeader } from '../../src/log/segment.js';
import { RecordColumns } from '../../src/log/segment-scan.js';
import { segmentName } from '../../src/storage/directory.js';
import { contractOf } from '../protocol/harness.js';

const header: SegmentHeader = {
  segment: 3,
  nonceLow: 1,
  nonceHigh: 2,
  firstSequence: 8,
  previous: 77,
  durable: 7,
  promised: 0,
  chosen: 0,
  startNumber: 1,
  segmentBytes: 65_536,
  blockBytes: 64,
  createdAtMs: 0,
  diskIncarnation: new Uint8Array(16),
  cluster: 'c',
  replica: 'r',
  configuration: new Uint8Array(0),
};

const trips: readonly (readonly [contract: string, how: string, action: () => unknown])[] = [
  [
    'state-folds-every-record',
    'a scan that lost one',
    () => {
      const records = new RecordColumns();
      records.push(4096, makeRecordHeader());
      const end = { kind: 'complete' } as const;
      new LogState().fold({ header, records, nextSequence: 10, chain: 0, endOffset: 4176, durable: 0, end });
    },
  ],
  [
    'recovery-newest-segment-has-no-end',
    'a segment that moves behind all numbers',
    () => {
      let isFarAway = false;
      const moving = Object.defineProperty({ ...header }, 'firstSequence', {
        get: () => (isFarAway ? Number.POSITIVE_INFINITY : 8),
      });
      const recovery = new LogRecovery({
        segments: [{ segment: 3, header: { kind: 'valid', header: moving } }],
        beginning: 'suffix',
        crc32c,
      });
      isFarAway = true;
      recovery.next();
      recovery.examine(new Uint8Array(65_536));
    },
  ],
  [
    'recovery-table-total',
    'a table without its last rule',
    () => {
      const rules = recoveryRules as Rule[];
      const last = rules.pop()!;
      try {
        judgeEnd({ found: 'nothing', claimed: 'nowhere', leftovers: false, successor: 'none' });
      } finally {
        rules.push(last);
      }
    },
  ],
  ['segment-number', 'a negative one', () => segmentName(-1)],
  ['segment-number', 'a fraction', () => segmentName(1.5)],
];

it.each(trips)('%s: %s', (contract, _, action) => {
  expect(contractOf(action)).toBe(contract);
});
