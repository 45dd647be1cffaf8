/** Aim: what arrives is taken in only as far as the log has room for all the records that it may bring. Method: frames as a peer writes them. */

import { expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { FrameIntake, type FrameIntakeOptions } from '../../src/engine/frame-intake.js';
import type { Link } from '../../src/engine/links.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { b, configurationDecree, configurationOf } from '../protocol/harness.js';

it('a configuration that is learned takes room for two records: a promise comes ahead of it', () => {
  const frames: Uint8Array[] = [];
  const writer = new FrameWriter(crc32c);
  for (const number of [2, 3, 4]) {
    const configuration = { ...configurationOf(3), number };
    const payload = encodeConfiguration(configuration);
    const decree = { ...configurationDecree(configuration), bytes: payload.length };
    const message = { kind: 'learn', slot: number, ballot: b(number, 1), decree } as const;
    const checksum = crc32c(payload, 0, payload.length, 0);
    const bytes = writer.message(message, 1, payload.length, checksum);
    frames.push(writer.bytes.slice(0, bytes), payload);
  }
  const reader = new FrameReader(crc32c, 65_536, () => {});
  const whole = Buffer.concat(frames);
  reader.push(whole, 0, whole.length, 1);
  const asked: number[] = [];
  const intake = new FrameIntake({
    links: { nextFrame: () => reader.next() },
    hasRoom: (_bytes: number, records: number) => asked.push(records) > 0,
    decreeBytesMax: 100,
    payloadBytesMax: 10_000,
    step: () => {},
    tooNew: () => null,
  } as unknown as FrameIntakeOptions);
  intake.onReceived({ peer: {}, reader, number: 2 } as unknown as Link);
  intake.read();
  expect([...new Set(asked)]).toEqual([3, 5, 7, 9]);
});
