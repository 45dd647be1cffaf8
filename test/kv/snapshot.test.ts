/**
 * Aim: a snapshot is the store's state at the time it was asked for, whatever is executed while it is read, and loads into an equal
 * store. Method: random commands before and while it is read, against a store that ran only those before.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Entry, Keyspace } from '../../src/kv/keyspace.js';
import { encodeSnapshot, SnapshotReader } from '../../src/kv/snapshot.js';
import { Store, VALUE_BYTES_MAX } from '../../src/kv/store.js';

const memoryOf = (): number => process.memoryUsage().heapUsed + process.memoryUsage().external;

type Change =
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'expire'; readonly key: string; readonly deadline: number }
  | { readonly kind: 'clear' };

const key = fc.constantFrom('', 'a', 'b', 'c', 'd', 'e', 'f', 'g', '\u00ff\u0000');
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      key,
      value: fc.string({ unit: 'binary-ascii', maxLength: 9 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const), key, deadline: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);

function apply(keyspace: Keyspace, one: Change): void {
  if (one.kind === 'clear') {
    keyspace.clear();
    return;
  }
  const bytes = Buffer.from(one.key, 'latin1');
  const hash = keyspace.hash(bytes, 0, bytes.length);
  const slot = keyspace.find(bytes, 0, bytes.length, hash);
  if (one.kind === 'set') {
    if (slot < 0) keyspace.insert(one.key, hash, one.value);
    else keyspace.setValue(slot, one.value);
  } else if (slot >= 0) {
    if (one.kind === 'delete') keyspace.remove(slot);
    else keyspace.setDeadline(slot, one.deadline);
  }
}

const sorted = (entries: Iterable<Entry>): Entry[] => [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));

describe('a snapshot of the keyspace', () => {
  it('is that of the time it was asked for', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 20 }),
        (before, meanwhile) => {
          const [changed, still] = [new Keyspace(1), new Keyspace(2)];
          for (const one of before) for (const keyspace of [changed, still]) apply(keyspace, one);
          const entries: Entry[] = [];
          const reading = changed.snapshot()[Symbol.iterator]();
          for (const changes of meanwhile) {
            for (const one of changes) apply(changed, one);
            const next = reading.next();
            if (!next.done) entries.push(next.value);
          }
          for (let next = reading.next(); !next.done; next = reading.next()) entries.push(next.value);
          expect(sorted(entries)).toEqual(sorted(still.snapshot()));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('ends an earlier one that was not read to its end', () => {
    const keyspace = new Keyspace(1);
    for (const name of ['a', 'b', 'c']) apply(keyspace, { kind: 'set', key: name, value: name });
    const first = keyspace.snapshot()[Symbol.iterator]();
    first.next();
    expect([...keyspace.snapshot()].length).toBe(3);
    expect(first.next().done).toBe(true);
  });

  it('that is given up keeps nothing of what changes behind it', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const keyspace = new Keyspace(1);
    // Of different bytes each, lest they are one text.
    const write = (round: number): void => {
      for (let index = 0; index < 300; index += 1) {
        const value = Buffer.alloc(100_000, `${round}:${index} `).toString('latin1');
        apply(keyspace, { kind: 'set', key: `${index}`, value });
      }
    };
    write(0);
    const reading = encodeSnapshot(1, keyspace.snapshot());
    reading.next();
    reading.return();
    collect();
    const before = memoryOf();
    write(1);
    collect();
    expect(memoryOf() - before).toBeLessThan(10_000_000);
    expect(keyspace.size).toBe(300);
  });
});

describe('as bytes', () => {
  const entry = fc.record({
    key: fc.string({ unit: 'binary-ascii', maxLength: 30 }),
    value: fc.string({ unit: 'binary-ascii', maxLength: 90_000 }),
    deadline: fc.nat(),
  });

  it('comes back from pieces of any size', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 20 }),
        fc.nat(),
        fc.integer({ min: 1, max: 70_000 }),
        (entries, clock, cut) => {
          const bytes = Buffer.concat([...encodeSnapshot(clock, entries)].map((piece) => Buffer.from(piece)));
          const back: Entry[] = [];
          let clockBack = -1;
          const reader = new SnapshotReader({
            setClock: (clockMs) => {
              clockBack = clockMs;
            },
            load: (one) => void back.push(one),
          });
          for (let at = 0; at < bytes.length; at += cut) reader.push(bytes.subarray(at, at + cut));
          reader.end();
          expect(clockBack).toBe(clock);
          expect(back).toEqual(entries);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is read in linear time, also where a value is much longer than the pieces', () => {
    const pieceBytes = 64 * 1024;
    const entry: Entry = { key: 'a', value: 'x'.repeat(VALUE_BYTES_MAX), deadline: 0 };
    const bytes = Buffer.concat([...encodeSnapshot(1, [entry])]);
    const lengths: number[] = [];
    const reader = new SnapshotReader({
      setClock() {},
      load: ({ value }) => void lengths.push(value.length),
    });
    const began = performance.now();
    for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
    reader.end();
    expect(lengths).toEqual([VALUE_BYTES_MAX]);
    // Some tenths of a second; copied anew with each piece, half a minute.
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('that ends early, or is of another version, says so', () => {
    const [bytes] = [...encodeSnapshot(1, [{ key: 'a', value: 'b', deadline: 0 }])] as [Buffer];
    const target = { setClock() {}, load() {} };
    for (const length of [0, 5, 17, bytes.length - 1]) {
      const reader = new SnapshotReader(target);
      reader.push(bytes.subarray(0, length));
      expect(() => reader.end()).toThrow('ends early');
    }
    const other = Buffer.from(bytes);
    other[0] = 2;
    expect(() => new SnapshotReader(target).push(other)).toThrow('version 2');
  });
});

it('loads into a store with the same digest', () => {
  const store = new Store(1);
  store.setClock(1000);
  for (let index = 0; index < 1000; index += 1)
    store.load({ key: `key ${index}`, value: `${index}`, deadline: index % 3 === 0 ? 5000 + index : 0 });
  const copy = new Store(2);
  const reader = new SnapshotReader(copy);
  for (const piece of store.snapshot()) reader.push(piece);
  reader.end();
  expect(copy.digest()).toBe(store.digest());
  expect(copy.keyCount).toBe(1000);
});
