/** Messages, frames and configurations by chance, for fast-check. */

import fc from 'fast-check';
import { crc32c } from '../../src/checksum.js';
import { MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { Message, MessageKind } from '../../src/protocol/messages.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { encodeConfiguration, encodeJoin } from '../../src/wire/configuration-codec.js';

/** Any number that travels in 64 bits, with its ends and 32-bit borders more often than chance would have it. */
export const u64: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(1000),
  fc.constantFrom(0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, Number.MAX_SAFE_INTEGER),
);
export const u32: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 0xffff_ffff),
);

const idLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-';
export const id: fc.Arbitrary<string> = fc.string({
  unit: fc.constantFrom(...idLetters),
  minLength: 1,
  maxLength: 63,
});
export const incarnation: fc.Arbitrary<string> = fc.string({
  unit: fc.constantFrom(...'0123456789abcdef'),
  minLength: 32,
  maxLength: 32,
});

export const configuration: fc.Arbitrary<Configuration> = fc
  .record({
    number: fc.integer({ min: 1, max: 0xffff_ffff }),
    ids: fc.uniqueArray(id, { minLength: 1, maxLength: 7 }),
    numbers: fc.uniqueArray(fc.integer({ min: 1, max: MEMBER_NUMBER_MAX }), { minLength: 7, maxLength: 7 }),
    incarnations: fc.array(incarnation, { minLength: 7, maxLength: 7 }),
    spare: fc.integer({ min: 1, max: 100 }),
    version: fc.option(fc.integer({ min: 2, max: 65_535 })),
  })
  .map(({ number, ids, numbers, incarnations, spare, version }) => ({
    ...(version === null ? {} : { version }),
    number,
    members: ids.map((each, index) => ({
      number: numbers[index]!,
      id: each,
      incarnation: incarnations[index]!,
    })),
    nextMember: Math.max(...numbers) + spare,
  }));

/** A message and the bytes that follow its header. */
export interface Sent {
  readonly message: Message;
  readonly payload: Uint8Array;
}

const bytes = fc.uint8Array({ minLength: 0, maxLength: 300 });

interface SentDecree {
  readonly decree: DecreeReference;
  readonly payload: Uint8Array;
}

function refer(
  kind: DecreeKind,
  commands: number,
  payload: Uint8Array,
  configuration: Configuration | null,
): SentDecree {
  const checksum = crc32c(payload, 0, payload.length, 0);
  return {
    decree: { kind, bytes: payload.length, checksum, commands, configuration, source: null },
    payload,
  };
}

const sentDecree: fc.Arbitrary<SentDecree> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 0xffff_ffff }), fc.uint8Array({ minLength: 1, maxLength: 300 }))
    .map(([commands, payload]) => refer(DecreeKind.commands, commands, payload, null)),
  fc.constant(refer(DecreeKind.noop, 0, new Uint8Array(0), null)),
  configuration.map((one) => refer(DecreeKind.configuration, 0, encodeConfiguration(one), one)),
);

const bare = <M extends Message>(message: fc.Arbitrary<M>): fc.Arbitrary<Sent> =>
  message.map((one) => ({ message: one, payload: new Uint8Array(0) }));

const withDecree = <F extends object>(
  fields: fc.Arbitrary<F>,
  make: (fields: F, decree: DecreeReference) => Message,
): fc.Arbitrary<Sent> =>
  fc.tuple(fields, sentDecree).map(([one, { decree, payload }]) => ({ message: make(one, decree), payload }));

/** One arbitrary for each kind of message: a new kind that is forgotten here does not compile. */
export const sentByKind: Record<MessageKind, fc.Arbitrary<Sent>> = {
  'status-query': bare(fc.record({ kind: fc.constant('status-query' as const), round: u64 })),
  'status-reply': bare(
    fc
      .record({
        kind: fc.constant('status-reply' as const),
        round: u64,
        promised: u64,
        chosen: u64,
        primaryAlive: fc.boolean(),
        standing: fc.integer({ min: 0, max: 255 }),
      })
      .map((reply) => ({ ...reply, standing: reply.primaryAlive ? 0 : reply.standing })),
  ),
  prepare: bare(fc.record({ kind: fc.constant('prepare' as const), ballot: u64, from: u64 })),
  'promise-entry': withDecree(
    fc.record({ ballot: u64, slot: u64, acceptedBallot: u64 }),
    (fields, decree) => ({ kind: 'promise-entry', ...fields, decree }),
  ),
  promised: bare(
    fc.record({ kind: fc.constant('promised' as const), ballot: u64, entries: u32, chosen: u64 }),
  ),
  accept: withDecree(fc.record({ ballot: u64, slot: u64, chosen: u64 }), (fields, decree) => ({
    kind: 'accept',
    ...fields,
    decree,
  })),
  accepted: bare(fc.record({ kind: fc.constant('accepted' as const), ballot: u64, from: u64, through: u64 })),
  heartbeat: bare(
    fc.record({ kind: fc.constant('heartbeat' as const), ballot: u64, chosen: u64, round: u64 }),
  ),
  'heartbeat-reply': bare(
    fc.record({
      kind: fc.constant('heartbeat-reply' as const),
      ballot: u64,
      round: u64,
      from: u64,
      through: u64,
      chosen: u64,
      standing: u32,
    }),
  ),
  'hand-over': bare(fc.record({ kind: fc.constant('hand-over' as const), ballot: u64, last: u64 })),
  resign: bare(fc.record({ kind: fc.constant('resign' as const), ballot: u64 })),
  'hand-over-declined': bare(fc.record({ kind: fc.constant('hand-over-declined' as const), ballot: u64 })),
  refuse: bare(fc.record({ kind: fc.constant('refuse' as const), ballot: u64, promised: u64 })),
  fetch: bare(fc.record({ kind: fc.constant('fetch' as const), from: u64, bytesMax: u32 })),
  learn: withDecree(fc.record({ slot: u64, ballot: u64 }), (fields, decree) => ({
    kind: 'learn',
    ...fields,
    decree,
  })),
  'fetch-end': bare(fc.record({ kind: fc.constant('fetch-end' as const), through: u64, chosen: u64 })),
  defunct: bare(fc.record({ kind: fc.constant('defunct' as const), chosen: u64 })),
  join: fc
    .record({
      kind: fc.constant('join' as const),
      id,
      incarnation,
      chosen: u64,
      former: fc.nat({ max: MEMBER_NUMBER_MAX }),
    })
    .map((message) => ({ message, payload: encodeJoin(message) })),
  genesis: configuration
    .map((one) => ({ ...one, number: 1 }))
    .map((one) => ({
      message: { kind: 'genesis', configuration: one },
      payload: encodeConfiguration(one),
    })),
  'read-query': bare(fc.record({ kind: fc.constant('read-query' as const), life: u64, read: u64 })),
  'read-reply': bare(
    fc.record({ kind: fc.constant('read-reply' as const), life: u64, read: u64, slot: u64 }),
  ),
  'lease-request': bare(
    fc.record({ kind: fc.constant('lease-request' as const), ballot: u64, round: u64, durationMs: u32 }),
  ),
  'lease-grant': bare(fc.record({ kind: fc.constant('lease-grant' as const), ballot: u64, round: u64 })),
  'lease-release': bare(fc.record({ kind: fc.constant('lease-release' as const), ballot: u64 })),
  'lease-query': bare(fc.record({ kind: fc.constant('lease-query' as const), life: u64, read: u64 })),
  'lease-reply': bare(
    fc.record({ kind: fc.constant('lease-reply' as const), life: u64, read: u64, slot: u64 }),
  ),
};

export const anySent: fc.Arbitrary<Sent> = fc.oneof(...Object.values(sentByKind));

/** Anything that a frame can carry, of up to 300 bytes. */
export const anyBytes: fc.Arbitrary<Uint8Array> = bytes;

/** The bytes of the frame. */
export function encode({ message, payload }: Sent, configurationNumber: number): Uint8Array {
  const writer = new FrameWriter(crc32c);
  const checksum = crc32c(payload, 0, payload.length, 0);
  const headerBytes = writer.message(message, configurationNumber, payload.length, checksum);
  return join([writer.bytes.subarray(0, headerBytes), payload]);
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
