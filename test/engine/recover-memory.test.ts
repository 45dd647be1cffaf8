/**
 * Aim: a log that there is no memory to read is an error of whoever opens it, and not the end of the process, which may run other replicas.
 * Method: a medium that has a file of a size that no runtime gives memory for.
 */

import { expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { recoverLog } from '../../src/engine/recover.js';
import type { SynodError } from '../../src/errors.js';
import type { LogMedium } from '../../src/storage/log-medium.js';

it('a segment that there is no memory for is an error', () => {
  const medium = {
    read: (
      _segment: number,
      _offset: number,
      target: Uint8Array,
      done: (error: null, count: number) => void,
    ) => done(null, target.length),
  } as unknown as LogMedium;
  let found: SynodError | null = null;
  const whose = { cluster: 'cluster', replica: 'a' };
  recoverLog(medium, [{ segment: 1, bytes: 2 ** 50 }], whose, crc32c, (error) => {
    found = error;
  });
  expect(found).toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
});
