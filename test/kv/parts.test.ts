/** Small parts against slow ones that are obviously right. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandNamed, commands, findCommand, fitsArity } from '../../src/kv/command-table.js';
import { DeadlineQueue } from '../../src/kv/deadline-queue.js';
import { matchesGlob } from '../../src/kv/glob.js';
import { addIntegers, parseInteger, parseIntegerText } from '../../src/kv/integers.js';
import { Keyspace } from '../../src/kv/keyspace.js';
import { argumentsOf, VARIADIC } from '../../src/kv/operations.js';
import { RespWriter } from '../../src/kv/resp-writer.js';
import { readReplies } from './reply-reader.js';

describe('integers', () => {
  const text = fc.oneof(
    fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
    fc.stringMatching(/^[-+ ]?[0-9]{0,22}[x ]?$/),
    fc.constantFrom(
      '',
      '-',
      '0',
      '-0',
      '00',
      '9223372036854775807',
      '9223372036854775808',
      '-9223372036854775809',
    ),
  );
  it('are read as 64 bits signed', () => {
    fc.assert(
      fc.property(text, (given) => {
        const value = /^(?:0|-?[1-9][0-9]*)$/.test(given) ? BigInt(given) : null;
        const expected = value === null || BigInt.asIntN(64, value) !== value ? undefined : value;
        const bytes = Buffer.from(`  ${given}9`);
        for (const read of [parseInteger(bytes, 2, bytes.length - 1), parseIntegerText(given)]) {
          expect(read === undefined ? undefined : BigInt(read)).toBe(expected);
          if (typeof read === 'number') expect(Number.isSafeInteger(read)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('are added within 64 bits', () => {
    const integer = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -9n, max: 9n }),
    );
    fc.assert(
      fc.property(integer, integer, (left, right) => {
        const sum = left + right;
        const read = (value: bigint) => parseIntegerText(String(value)) as number | bigint;
        const added = addIntegers(read(left), read(right));
        expect(added === undefined ? undefined : BigInt(added)).toBe(
          BigInt.asIntN(64, sum) === sum ? sum : undefined,
        );
      }),
    );
  });
});

describe('patterns', () => {
  it.each([
    ['', '', true],
    ['*', '', true],
    ['?', '', false],
    ['a*c', 'abbc', true],
    ['a*c', 'abbcd', false],
    ['a?c', 'abc', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hello', false],
    ['h[^e]llo', 'hallo', true],
    ['[a-c]x', 'bx', true],
    ['[c-a]x', 'bx', true],
    ['[a-c]x', 'dx', false],
    ['[\\]]', ']', true],
    ['[abc', 'b', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['\\', '\\', true],
    ['a\\?b', 'a?b', true],
    ['**a**', 'bab', true],
    ['[]a', 'a', false],
  ])('%j on %j: %j', (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected);
  });

  it('of stars and letters match as a regular expression does', () => {
    const pattern = fc
      .array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 8 })
      .map((all) => all.join(''));
    const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 10 }).map((all) => all.join(''));
    fc.assert(
      fc.property(pattern, text, (glob, given) => {
        const expression = new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesGlob(glob, given)).toBe(expression.test(given));
      }),
      { numRuns: 3000 },
    );
  });

  it('full of stars do not take for ever', () => {
    expect(matchesGlob(`${'a*'.repeat(500)}b`, 'a'.repeat(20_000))).toBe(false);
  });
});

describe('the deadline queue', () => {
  it('knows what is due first, whatever was set and removed', () => {
    const action = fc.tuple(fc.nat(200), fc.nat(50));
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const queue = new DeadlineQueue();
        const model = new Map<number, number>();
        for (const [slot, deadline] of actions) {
          if (deadline === 0) {
            queue.remove(slot);
            model.delete(slot);
          } else {
            queue.set(slot, deadline);
            model.set(slot, deadline);
          }
          expect(queue.size).toBe(model.size);
          expect(queue.deadline(slot)).toBe(model.get(slot) ?? 0);
          const first = queue.first();
          expect(first < 0 ? undefined : model.get(first)).toBe(
            model.size === 0 ? undefined : Math.min(...model.values()),
          );
        }
      }),
      { numRuns: 300 },
    );
  });
});

/**
 * So many keys of 8 bytes for each doubling, any two of which a hash of Murmur's kind takes for equal, whatever its seed: what one word of a
 * pair changes in the state, the other one changes back.
 */
function murmurTwins(doublings: number): Buffer[] {
  const inverse = (odd: number): number => {
    let value = odd;
    for (let round = 0; round < 5; round += 1) value = Math.imul(value, 2 - Math.imul(odd, value));
    return value;
  };
  const wordFor = (mixed: number): number => {
    const turned = Math.imul(mixed, inverse(0x1b873593));
    return Math.imul((turned >>> 15) | (turned << 17), inverse(0xcc9e2d51));
  };
  const pairs = [
    [wordFor(1), wordFor(2)],
    [wordFor(1 ^ (1 << 18)), wordFor(2 ^ 0x80000000)],
  ] as const;
  return Array.from({ length: 2 ** doublings }, (_, number) => {
    const key = Buffer.alloc(8 * doublings);
    for (let bit = 0; bit < doublings; bit += 1) {
      const pair = pairs[(number >> bit) & 1]!;
      key.writeInt32LE(pair[0], 8 * bit);
      key.writeInt32LE(pair[1], 8 * bit + 4);
    }
    return key;
  });
}

describe('the keyspace', () => {
  it('has a hash that nobody can make keys collide under, and that the whole of the seed counts for', () => {
    const keys = murmurTwins(12);
    const seeds = [0, 1, 2 ** 32, 2 ** 47 + 12_345];
    const hashes = seeds.map((seed) => {
      const keyspace = new Keyspace(seed);
      return keys.map((key) => keyspace.hash(key, 0, key.length));
    });
    for (const each of hashes) expect(new Set(each).size).toBeGreaterThan(keys.length - 10);
    for (let one = 0; one < seeds.length; one += 1)
      for (let other = 0; other < one; other += 1)
        expect(hashes[one]!.filter((hash, index) => hash === hashes[other]![index]).length).toBeLessThan(3);
  });

  it('hashes short keys apart, wherever they lie', () => {
    const keyspace = new Keyspace(7);
    const hashes = new Set<number>();
    const texts = Array.from({ length: 10_000 }, (_, index) => '\0'.repeat(index % 7) + index);
    for (const text of texts) {
      const bytes = Buffer.from(text);
      const hash = keyspace.hash(bytes, 0, bytes.length);
      hashes.add(hash);
      expect(keyspace.hash(Buffer.from(`xyz${text}abc`), 3, 3 + bytes.length)).toBe(hash);
    }
    expect(hashes.size).toBeGreaterThan(texts.length - 10);
  });

  it('finds keys although all of them hash alike', () => {
    const keyspace = new Keyspace(0);
    const slots = new Map<string, number>();
    for (let index = 0; index < 200; index++)
      slots.set(`k${index}`, keyspace.insert(`k${index}`, 7, String(index)));
    for (let index = 0; index < 200; index += 3) {
      keyspace.remove(slots.get(`k${index}`) as number);
      slots.delete(`k${index}`);
    }
    for (let index = 0; index < 200; index++) {
      const bytes = Buffer.from(`k${index}`);
      expect(keyspace.find(bytes, 0, bytes.length, 7)).toBe(slots.get(`k${index}`) ?? -1);
    }
  });
});

describe('the command table', () => {
  it('finds each command in any case, and nothing else', () => {
    for (const command of commands) {
      for (const name of [
        command.name,
        command.name.toUpperCase(),
        command.name.replace(/^./, (c) => c.toUpperCase()),
      ]) {
        const bytes = Buffer.from(`..${name}..`);
        expect(findCommand(bytes, 2, bytes.length - 2)).toBe(command);
        expect(commandNamed(name)).toBe(command);
      }
      const other = Buffer.from(`${command.name.slice(0, -1)}\x00`);
      expect(findCommand(other, 0, other.length)).toBe(undefined);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const found = findCommand(bytes, 0, bytes.length);
        expect(found).toBe(commandNamed(Buffer.from(bytes).toString('latin1')));
      }),
      { numRuns: 2000 },
    );
  });

  it('lets nothing through that the log has no form for', () => {
    for (const command of commands) {
      if (command.operation === null) continue;
      const count = argumentsOf[command.operation] as number;
      if (count !== VARIADIC) expect(command.arity).toBe(count + 1);
      expect(fitsArity(command, Math.abs(command.arity))).toBe(true);
      expect(fitsArity(command, Math.abs(command.arity) - 1)).toBe(false);
      expect(fitsArity(command, Math.abs(command.arity) + 1)).toBe(command.arity < 0);
    }
  });
});

describe('the reply writer', () => {
  it('writes what was asked, in both versions, across its slabs', () => {
    const writer = new RespWriter(2 ** 26);
    for (const version of [2, 3] as const) {
      const taken: Uint8Array[] = [];
      const expected: unknown[][] = [];
      for (let round = 0; round < 300; round++) {
        writer.begin(version);
        const text = 'x'.repeat((round * 37) % 3000);
        writer.bulk(text);
        writer.integer(round * 12_345_678);
        writer.integer(-round);
        writer.integer(2n ** 62n);
        writer.nil();
        writer.nilArray();
        writer.map(1);
        writer.simple('k');
        writer.array(0);
        writer.set(1);
        writer.error('ERR a\r\nb');
        writer.verbatim('text');
        writer.array(1234);
        for (let index = 0; index < 1234; index++) writer.ok();
        taken.push(writer.take());
        expected.push([
          text,
          round * 12_345_678,
          round === 0 ? 0 : -round,
          2n ** 62n,
          null,
          null,
          version === 3 ? { map: [[{ simple: 'k' }, []]] } : [{ simple: 'k' }, []],
          version === 3 ? { set: [{ error: 'ERR a  b' }] } : [{ error: 'ERR a  b' }],
          version === 3 ? { verbatim: 'text' } : 'text',
          new Array(1234).fill({ simple: 'OK' }),
        ]);
      }
      // Read only now: what was taken stays as it is while the writer goes on.
      expect(taken.map(readReplies)).toEqual(expected);
    }
  });

  it('writes nothing while muted, and lets a large slab go', () => {
    const writer = new RespWriter(2 ** 26);
    writer.begin(2, true);
    writer.bulk('x');
    writer.ok();
    expect(writer.length).toBe(0);
    writer.begin(2);
    writer.bulk('x'.repeat(4_000_000));
    expect(writer.take().length).toBe(4_000_000 + 12);
    writer.begin(2);
    writer.ok();
    expect(writer.take().buffer.byteLength).toBeLessThan(100_000);
  });
});
