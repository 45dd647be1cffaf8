/** Aim: what is done to a log is always something that recovery must find out, and does; what means nothing is left alone. */

import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecordKind, SEGMENT_SUFFIX } from '../../src/log/format.js';
import { Random } from '../cluster/support/random.js';
import { recover } from '../log/log-writer-model.js';
import { BALLOT, commands, KIBIBYTE, writeLog } from '../tools/stored-log.js';
import { damageKinds, damageLog, readImages } from './faults/damage.js';
import { provableLoss, surveyLog } from './faults/provable-loss.js';

const fixture = fileURLToPath(new URL('../format/fixtures/v1/clean', import.meta.url));
const clean = readImages(fixture);
const segments = surveyLog(clean);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synod-damage-'));
  for (const name of readdirSync(fixture).filter((each) => each.endsWith(SEGMENT_SUFFIX)))
    cpSync(join(fixture, name), join(folder, name));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const copyOf = (images: ReadonlyMap<number, Uint8Array>): Map<number, Uint8Array> =>
  new Map([...images].map(([number, bytes]) => [number, bytes.slice()]));

describe('the survey of a log', () => {
  it('finds the records that recovery finds', () => {
    const found = segments.flatMap(({ number, records }) =>
      records.map(({ offset, sequence }) => ({ segment: number, offset, sequence })),
    );
    expect(found).toEqual(
      recover(copyOf(clean)).records.map(({ segment, offset, sequence }) => ({ segment, offset, sequence })),
    );
  });

  it('proves a loss only where recovery halts, for every byte of every record', () => {
    let proven = 0;
    for (const { number, records } of segments) {
      for (const { offset, bytes } of records) {
        for (let at = offset; at < offset + bytes; at += 7) {
          if (provableLoss(segments, { segment: number, from: at, to: at + 1 }) === null) continue;
          const images = copyOf(clean);
          images.get(number)![at]! ^= 1 << (at & 7);
          expect(recover(images).verdict.kind, `segment ${number}, byte ${at}`).toBe('corrupt');
          proven += 1;
        }
      }
    }
    expect(proven).toBeGreaterThan(100);
  });

  it('proves nothing of the last record, of pads, and of what is behind the end', () => {
    const last = segments.at(-1)!;
    const { offset, bytes } = last.records.at(-1)!;
    expect(provableLoss(segments, { segment: last.number, from: offset, to: offset + bytes })).toBe(null);
    expect(
      provableLoss(segments, { segment: last.number, from: last.fileBytes - 1, to: last.fileBytes }),
    ).toBe(null);
    for (const { number, records } of segments) {
      for (const { kind, offset: from, bytes: length } of records)
        if (kind === RecordKind.pad)
          expect(provableLoss(segments, { segment: number, from, to: from + length })).toBe(null);
    }
  });
});

/** A log of several segments: of one that is gone, only later ones can tell. */
async function writeLong(dataDir: string): Promise<string> {
  for (let slot = 1; slot <= 4; slot += 1)
    await writeLog(dataDir, 64 * KIBIBYTE, (log) =>
      log.appendDecree(RecordKind.learn, slot, BALLOT, slot, commands(3000)),
    );
  return join(dataDir, 'log');
}

describe.each(damageKinds)('damage of kind %s', (kind) => {
  it('makes recovery halt, with any seed', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'synod-damage-'));
    try {
      const whole = await writeLong(dataDir);
      expect(recover(readImages(whole)).verdict.kind).toBe('clean');
      for (let seed = 0; seed < 20; seed += 1) {
        rmSync(folder, { recursive: true });
        cpSync(whole, folder, { recursive: true });
        expect(damageLog(folder, kind, new Random(seed)), `seed ${seed}`).not.toBe(null);
        expect(recover(readImages(folder)).verdict.kind, `seed ${seed}`).toBe('corrupt');
      }
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  });
});
