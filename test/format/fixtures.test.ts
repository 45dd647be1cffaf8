/**
 * Logs of format version 1, kept as files, are read as they were written, by recovery and by its slow reference; and what is
 * written today is the same, byte for byte.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SEGMENT_SUFFIX } from '../../src/log/format.js';
import { type Images, recover } from '../log/log-writer-model.js';
import { recoverSlowly } from '../log/recovery-reference.js';
import { type Fixture, fixtureChecksum, makeFixtures } from './make-fixtures.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'fixtures', 'v1');

function fileName(segment: number): string {
  return segment.toString(16).padStart(16, '0') + SEGMENT_SUFFIX;
}

function write(fixture: Fixture): void {
  const target = join(folder, fixture.name);
  mkdirSync(target, { recursive: true });
  const checksums: Record<string, number> = {};
  for (const [segment, bytes] of fixture.images) {
    checksums[fileName(segment)] = fixtureChecksum(bytes);
    writeFileSync(join(target, fileName(segment)), bytes, { flag: 'wx' });
  }
  const text = JSON.stringify({ ...fixture.expected, checksums }, null, 1);
  writeFileSync(join(target, 'expected.json'), `${text}\n`, { flag: 'wx' });
}

if (process.env.SYNOD_WRITE_FIXTURES === '1' && !existsSync(folder)) {
  for (const fixture of makeFixtures()) write(fixture);
}

describe('format version 1', () => {
  it.each(makeFixtures())('reads and writes the log $name as ever', (fixture) => {
    const source = join(folder, fixture.name);
    const { checksums, ...expected } = JSON.parse(readFileSync(join(source, 'expected.json'), 'utf8'));
    const images: Images = new Map();
    for (const name of readdirSync(source).filter((each) => each.endsWith(SEGMENT_SUFFIX))) {
      const bytes = new Uint8Array(readFileSync(join(source, name)));
      expect(fixtureChecksum(bytes), `${name} was changed`).toBe(checksums[name]);
      images.set(Number.parseInt(name, 16), bytes);
    }
    expect(images.size).toBe(Object.keys(checksums).length);

    const { verdict, records, state } = recover(images);
    expect(verdict.kind).toBe(expected.verdict);
    expect(records).toEqual(expected.records);
    const { promised, startNumber, chosenThrough } = state;
    expect({ promised, startNumber, chosenThrough }).toEqual(expected.state);
    if (verdict.kind !== 'corrupt') {
      expect(verdict.nextSequence).toBe(expected.nextSequence);
      expect(verdict.nextSegment).toBe(expected.nextSegment);
    }
    expect(recoverSlowly(images)).toEqual({
      kind: expected.verdict === 'corrupt' ? 'corrupt' : 'sound',
      records: records.map(({ segment, offset }) => `${segment}:${offset}`),
    });

    expect(fixture.expected).toEqual(expected);
    expect(fixture.images).toEqual(images);
  });
});
