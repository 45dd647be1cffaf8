/** Aim: what members tell of themselves is kept, and nothing of others, who may come under ever new names. */

import { expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { Health, type HealthOptions } from '../../src/engine/health.js';
import type { Link } from '../../src/engine/links.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';

it('a report is kept where it is a member’s', () => {
  const ids = ['a', 'b'];
  const own: Partial<HealthOptions> = {
    id: 'a',
    ids: () => ids,
    links: () => new Map(),
    index: { get: () => false } as unknown as HealthOptions['index'],
    chosen: () => 9,
    now: () => 0,
  };
  const health = new Health({ ...own } as HealthOptions);
  const hear = (id: string): void => {
    const writer = new FrameWriter(crc32c);
    const bytes = writer.bytes.slice(0, writer.report({ payload: 5n, chosen: 7, applied: 6, flags: 0 }));
    const reader = new FrameReader(crc32c, 4096, () => {});
    reader.push(bytes, 0, bytes.length, 0);
    health.onReport({ peer: { id } } as Link, reader.next()!);
  };
  for (const id of ['b', 'z']) hear(id);
  // What it said before it was one is not known, until it says it again.
  ids.splice(0, 2, 'b', 'z');
  expect(health.members.map(({ chosen }) => chosen)).toEqual([7, null]);
  hear('z');
  expect(health.members.map(({ chosen }) => chosen)).toEqual([7, 7]);
});
