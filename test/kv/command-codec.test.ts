/** Commands come out of the codec as they went in, and whatever else comes, decoding says no and nothing worse. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CLOCK_MS_MAX,
  COMMAND_ARGUMENTS_MAX,
  COMMAND_HEADER_BYTES,
  CommandDecoder,
  CommandEncoder,
} from '../../src/kv/command-codec.js';
import { argumentsOf, Operation, TRANSACTION, VARIADIC } from '../../src/kv/operations.js';

type Plain = readonly [Operation, readonly Uint8Array[]];

function add(encoder: CommandEncoder, [operation, args]: Plain): void {
  const source = Buffer.concat(args);
  const starts = new Int32Array(args.length);
  const ends = new Int32Array(args.length);
  let at = 0;
  for (const [index, argument] of args.entries()) {
    starts[index] = at;
    at += argument.length;
    ends[index] = at;
  }
  encoder.operation(operation, source, starts, ends, 0, args.length);
}

function read(decoder: CommandDecoder, bytes: Uint8Array): unknown[] {
  const read: unknown[] = [];
  for (let index = 0; index < decoder.count; index++) {
    const operation = decoder.operations[index] as Operation;
    if (operation === Operation.transaction) {
      read.push(['transaction', decoder.nested[index]]);
      continue;
    }
    const args: string[] = [];
    for (
      let at = decoder.firstArgument[index] as number;
      at < (decoder.firstArgument[index + 1] as number);
      at++
    ) {
      args.push(Buffer.from(bytes.subarray(decoder.starts[at], decoder.ends[at])).toString('latin1'));
    }
    read.push([operation, args]);
  }
  return read;
}

const codes = Object.values(Operation).filter((code) => argumentsOf[code] !== TRANSACTION);
const argument = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(new Uint8Array(20_000).fill(7)));
const plain: fc.Arbitrary<Plain> = fc.constantFrom(...codes).chain((code) => {
  const count = argumentsOf[code] as number;
  const args =
    count === VARIADIC
      ? fc.array(argument, { maxLength: 5 })
      : fc.array(argument, { minLength: count, maxLength: count });
  return args.map((all) => [code, all] as const);
});
const item = fc.oneof(
  { weight: 3, arbitrary: plain.map((one) => ({ plain: one, nested: null })) },
  { weight: 1, arbitrary: fc.array(plain, { maxLength: 4 }).map((nested) => ({ plain: null, nested })) },
);
const command = fc.record({
  items: fc.array(item, { minLength: 1, maxLength: 100 }),
  clock: fc.integer({ min: 0, max: CLOCK_MS_MAX }),
  version: fc.constantFrom<2 | 3>(2, 3),
});

function encodeCommand(
  encoder: CommandEncoder,
  { items, clock, version }: typeof command extends fc.Arbitrary<infer T> ? T : never,
): Uint8Array {
  encoder.begin(clock, version);
  for (const { plain: one, nested } of items) {
    if (one !== null) {
      add(encoder, one);
      continue;
    }
    const queued = new CommandEncoder();
    for (const each of nested ?? []) add(queued, each);
    encoder.transaction(queued);
  }
  return encoder.view();
}

describe('commands', () => {
  it('come out as they went in, from anywhere in a buffer', () => {
    const encoder = new CommandEncoder();
    const decoder = new CommandDecoder();
    fc.assert(
      fc.property(command, fc.nat(9), (given, offset) => {
        const bytes = encodeCommand(encoder, given);
        expect(encoder.operations).toBe(given.items.length);
        const log = new Uint8Array(new SharedArrayBuffer(offset + bytes.length + 5)).fill(1);
        log.set(bytes, offset);
        expect(decoder.decode(log, offset, offset + bytes.length)).toBe(true);
        expect(decoder.clockMs).toBe(given.clock);
        expect(decoder.version).toBe(given.version);
        const text = ([code, args]: Plain) => [
          code,
          args.map((each) => Buffer.from(each).toString('latin1')),
        ];
        expect(read(decoder, log)).toEqual(
          given.items.flatMap(({ plain: one, nested }) =>
            one !== null ? [text(one)] : [['transaction', nested?.length], ...(nested ?? []).map(text)],
          ),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('cut short anywhere either are shorter commands or none', () => {
    const encoder = new CommandEncoder();
    encoder.begin(5, 2);
    const text = (each: string) => Buffer.from(each);
    add(encoder, [Operation.set, [text('key'), text('v'.repeat(200))]]);
    const wholeAt = encoder.length;
    add(encoder, [Operation.get, [text('key')]]);
    const bytes = encoder.view();
    const decoder = new CommandDecoder();
    for (let end = 0; end <= bytes.length; end++) {
      expect(decoder.decode(bytes, 0, end)).toBe(end === wholeAt || end === bytes.length);
    }
  });

  it('hold any clock, cut to what the header can say', () => {
    const encoder = new CommandEncoder();
    const decoder = new CommandDecoder();
    for (const [given, expected] of [
      [-1, 0],
      [1.9, 1],
      [2 ** 53, CLOCK_MS_MAX],
      [2 ** 31, 2 ** 31],
      [2 ** 32 + 5, 2 ** 32 + 5],
    ] as const) {
      encoder.begin(given, 2);
      add(encoder, [Operation.dbsize, []]);
      const bytes = encoder.view();
      expect(decoder.decode(bytes, 0, bytes.length)).toBe(true);
      expect(decoder.clockMs).toBe(expected);
    }
  });
});

describe('garbage', () => {
  const header = [1, 0, 0, 0, 0, 0, 0, 0];
  it.each([
    ['nothing', []],
    ['a header alone', header],
    ['an unknown version', [2, 0, 0, 0, 0, 0, 0, 0, Operation.dbsize]],
    ['unknown flags', [1, 2, 0, 0, 0, 0, 0, 0, Operation.dbsize]],
    ['an unknown operation', [...header, 200]],
    ['an operation without its argument', [...header, Operation.get]],
    ['an argument beyond the end', [...header, Operation.get, 2, 97]],
    ['a count that is cut off', [...header, Operation.del, 0x80]],
    ['a count beyond the end', [...header, Operation.del, 100]],
    ['a length of five bytes', [...header, Operation.get, 0x80, 0x80, 0x80, 0x80, 0]],
    ['a length that is longer than it need be', [...header, Operation.get, 0x80, 0]],
    ['a transaction cut off', [...header, Operation.transaction, 2, Operation.dbsize]],
    [
      'a transaction in a transaction',
      [...header, Operation.transaction, 2, Operation.transaction, 0, Operation.dbsize],
    ],
    ['a transaction without a count', [...header, Operation.transaction]],
  ])('%s is refused', (_name, bytes) => {
    const decoder = new CommandDecoder();
    expect(decoder.decode(Uint8Array.from(bytes), 0, bytes.length)).toBe(false);
    expect(decoder.count).toBe(0);
  });

  it('of any kind is decoded or refused, never worse', () => {
    const decoder = new CommandDecoder();
    const bytes = fc.uint8Array({ maxLength: 100 }).map((rest) => Uint8Array.from([...header, ...rest]));
    fc.assert(
      fc.property(fc.oneof(bytes, fc.uint8Array({ maxLength: 50 })), (given) => {
        if (!decoder.decode(given, 0, given.length)) return;
        const arguments_ = decoder.firstArgument[decoder.count] as number;
        for (let index = 0; index < arguments_; index++) {
          expect(decoder.starts[index]).toBeGreaterThan(COMMAND_HEADER_BYTES);
          expect(decoder.ends[index]).toBeLessThanOrEqual(given.length);
          expect(decoder.starts[index]).toBeLessThanOrEqual(decoder.ends[index] as number);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('of many arguments takes bounded memory, and gives it back', () => {
    const decoder = new CommandDecoder();
    const count = COMMAND_ARGUMENTS_MAX + 1;
    const varint = [
      (count & 127) | 128,
      ((count >> 7) & 127) | 128,
      ((count >> 14) & 127) | 128,
      count >> 21,
    ];
    const bytes = new Uint8Array(COMMAND_HEADER_BYTES + 5 + count);
    bytes.set([...header, Operation.del, ...varint]);
    expect(decoder.decode(bytes, 0, bytes.length)).toBe(false);
    const small = Uint8Array.from([...header, Operation.dbsize]);
    expect(decoder.decode(small, 0, small.length)).toBe(true);
    expect(decoder.starts.length).toBeLessThan(1000);
  });
});
