import { describe, expect, it } from 'vitest';
import { judgeLine } from './log-line.js';

const entry = (level: string, event: string, more = {}): string =>
  JSON.stringify({ time: 't', level, replica: 'a', event, ...more });

describe('a line of a log', () => {
  it('is harmless where it tells of what happens', () => {
    expect(judgeLine('')).toBe(null);
    expect(judgeLine(entry('info', 'role', { role: 'primary' }))).toBe(null);
    expect(judgeLine(entry('warn', 'peer reads too slowly'))).toBe(null);
    expect(judgeLine(entry('error', 'storage full', { error: { code: 'ERR_SYNOD_STORAGE_FULL' } }))).toBe(
      null,
    );
  });

  it.each([
    [entry('warn', 'connection cut off', { reason: 'frame checksum' }), 'garbage'],
    [entry('warn', 'peer refused', { reason: 'in use by another disk' }), 'refusals'],
    [entry('warn', 'refused by peer'), 'refusals'],
    [entry('fatal', 'replica fenced', { error: { code: 'ERR_SYNOD_REFUSED' } }), 'ends'],
    ['synod: log segment 1, byte 4096: record 1 is missing (ERR_SYNOD_LOG_CORRUPT)', 'ends'],
  ])('needs an excuse: %s', (line, excuse) => {
    expect(judgeLine(line)).toMatchObject({ excuse });
  });

  it.each([
    [entry('fatal', 'replica fenced', { error: { code: 'ERR_SYNOD_CONTRACT' } })],
    [entry('fatal', 'replica fenced', { error: { code: 'ERR_SYNOD_STORAGE_FAILED' } })],
    ['TypeError: x is not a function'],
    ['==1==ERROR: AddressSanitizer: heap-use-after-free'],
    ['42'],
    ['null'],
    ['synod: the data directory is in use (ERR_SYNOD_DATA_DIRECTORY)'],
  ])('is a finding whatever the fault was: %s', (line) => {
    expect(judgeLine(line)).toEqual({ excuse: null, text: line });
  });
});
