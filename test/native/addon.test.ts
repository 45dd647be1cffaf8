/**
 * The addon at its edge: right results from every kind of memory, and an exception, never a crash, for wrong calls.
 */

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAddon, type NativeAddon, platformName, requireAddon } from '../../src/native/addon.js';
import { compareBuild, INTERFACE_VERSION } from '../../src/native/build-check.js';
import { makeScratch } from '../storage/driver.js';

const { addon: loaded, reason } = loadAddon();

function referenceChecksum(bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

test('the loader says what it has, or why not and how to get it', () => {
  expect(reason).toMatch(loaded === null ? /npm run build:native|SYNOD_NATIVE=0/ : /native addon/);
  expect(platformName()).toContain(process.arch);
  if (loaded === null) {
    expect(() => requireAddon()).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_NATIVE_UNAVAILABLE' }));
  } else {
    expect(requireAddon()).toBe(loaded);
    expect(loadAddon().addon).toBe(loaded);
  }
});

test('an addon of another version is refused with the difference', () => {
  expect(compareBuild(undefined)).toMatch(/no constants/);
  expect(compareBuild({})).toMatch(/INTERFACE_VERSION is \d+ here and undefined there/);
  if (loaded === null) return;
  const { constants } = loaded;
  expect(compareBuild(constants)).toBe(null);
  expect(compareBuild({ ...constants, RECORD_HEADER_BYTES: 72 })).toBe(
    'RECORD_HEADER_BYTES is 80 here and 72 there',
  );
  expect(compareBuild({ ...constants, INTERFACE_VERSION: 0 })).toMatch(
    /INTERFACE_VERSION is \d+ here and 0 there/,
  );
  expect(compareBuild({ ...constants, more: 1 })).toMatch(/more is undefined here/);
});

if (loaded === null) console.log(`tests of the addon's calls do not run: ${reason}`);
else describeAddon(loaded);

function describeAddon(addon: NativeAddon): void {
  test('what it exports has a version: where this fails, raise it in both languages', () => {
    const names = Object.keys(addon).filter((name) => name !== 'path'); // Which `bindings` puts there.
    expect({ version: INTERFACE_VERSION, names: names.sort() }).toMatchInlineSnapshot(`
      {
        "names": [
          "addressModulo",
          "checksumKind",
          "constants",
          "copy",
          "copyAndChecksum",
          "counterIndex",
          "counters",
          "crc32c",
          "createEvent",
          "createUring",
          "dropRegion",
          "flushInstruction",
          "flushRange",
          "keepRegion",
          "lockFile",
          "mapSegment",
          "openEventSender",
          "openRegion",
          "populate",
          "probeUring",
          "readDirectIoAlignment",
          "unmapSegment",
          "uringConstants",
        ],
        "version": 2,
      }
    `);
  });

  const scratch = { path: '', dispose: (): void => {} };
  beforeAll(() => Object.assign(scratch, makeScratch(fs.existsSync('/dev/shm') ? '/dev/shm' : undefined)));
  afterAll(() => scratch.dispose());

  function makeFile(name: string, bytes: number): string {
    const file = path.join(scratch.path, name);
    fs.writeFileSync(file, new Uint8Array(bytes));
    return file;
  }

  /** The same content in each kind of memory that a Uint8Array can have. */
  function kindsOf(content: Uint8Array): Array<[string, Uint8Array]> {
    const padded = content.length + 24;
    const kinds: Array<[string, Uint8Array]> = [
      ['ArrayBuffer', new Uint8Array(content.length)],
      ['ArrayBuffer with an offset', new Uint8Array(new ArrayBuffer(padded), 8, content.length)],
      ['SharedArrayBuffer', new Uint8Array(new SharedArrayBuffer(content.length))],
      ['SharedArrayBuffer with an offset', new Uint8Array(new SharedArrayBuffer(padded), 16, content.length)],
      ['Buffer', Buffer.alloc(content.length)],
      ['pooled Buffer', Buffer.allocUnsafe(content.length)],
      ['Uint8ClampedArray', new Uint8ClampedArray(content.length) as unknown as Uint8Array],
    ];
    for (const [, bytes] of kinds) bytes.set(content);
    return kinds;
  }

  describe('checksum and copy', () => {
    test('CRC-32C of the check value', () => {
      expect(addon.crc32c(Buffer.from('123456789'), 0, 9, 0)).toBe(0xe3069283);
    });

    test('every kind of memory, any range, any seed, chained', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 4000, size: 'max' }),
          fc.nat(4000),
          fc.nat(4000),
          fc.integer({ min: 0, max: 0xffffffff }),
          (content, a, b, seed) => {
            const start = Math.min(a, b, content.length);
            const end = Math.min(Math.max(a, b), content.length);
            const expected = referenceChecksum(content.subarray(start, end), seed);
            for (const [kind, bytes] of kindsOf(content)) {
              expect(addon.crc32c(bytes, start, end, seed), kind).toBe(expected);
              const middle = start + Math.floor((end - start) / 2);
              const first = addon.crc32c(bytes, start, middle, seed);
              expect(addon.crc32c(bytes, middle, end, first), kind).toBe(expected);
            }
          },
        ),
        { numRuns: 60 },
      );
    });

    test('copies between every two kinds of memory, counted', () => {
      const content = Uint8Array.from({ length: 3000 }, (_, index) => (index * 7) & 0xff);
      for (const [from, source] of kindsOf(content)) {
        for (const [to, target] of kindsOf(new Uint8Array(3010))) {
          const before = addon.counters[addon.counterIndex.bytesCopied]!;
          const checksum = addon.copyAndChecksum(target, 5, source, 100, 2900, 0);
          expect(checksum, `${from} to ${to}`).toBe(referenceChecksum(content.subarray(100, 2900), 0));
          expect(Buffer.from(target.subarray(5, 2805)).equals(content.subarray(100, 2900))).toBe(true);
          expect(target[4]).toBe(0);
          expect(target[2805]).toBe(0);
          addon.copy(target, 0, source, 0, 10);
          expect(Buffer.from(target.subarray(0, 10)).equals(content.subarray(0, 10))).toBe(true);
          expect(addon.counters[addon.counterIndex.bytesCopied]! - before).toBe(2810);
        }
      }
    });

    test('an overlapping copy is as if through a third place', () => {
      const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index & 0xff);
      const expected = bytes.slice(0, 4000);
      addon.copy(bytes, 500, bytes, 0, 4000);
      expect(Buffer.compare(bytes.subarray(500, 4500), expected)).toBe(0);
    });
  });

  describe('wrong calls throw', () => {
    const bytes = new Uint8Array(16);
    const call =
      (name: keyof NativeAddon, ...args: unknown[]) =>
      () =>
        (addon[name] as (...all: unknown[]) => unknown)(...args);
    const wrong: Array<[string, () => unknown, ErrorConstructor]> = [
      ['crc32c without arguments', call('crc32c'), TypeError],
      ['crc32c of a string', call('crc32c', 'text', 0, 1, 0), TypeError],
      ['crc32c of null', call('crc32c', null, 0, 0, 0), TypeError],
      ['crc32c of an ArrayBuffer', call('crc32c', bytes.buffer, 0, 1, 0), TypeError],
      ['crc32c of a DataView', call('crc32c', new DataView(bytes.buffer), 0, 1, 0), TypeError],
      ['crc32c of a Float64Array', call('crc32c', new Float64Array(4), 0, 1, 0), TypeError],
      ['crc32c past the end', call('crc32c', bytes, 0, 17, 0), RangeError],
      ['crc32c from past the end', call('crc32c', bytes, 17, 17, 0), RangeError],
      ['crc32c backwards', call('crc32c', bytes, 5, 4, 0), RangeError],
      ['crc32c from before the start', call('crc32c', bytes, -1, 4, 0), RangeError],
      ['crc32c of half a byte', call('crc32c', bytes, 0.5, 4, 0), RangeError],
      ['crc32c from NaN', call('crc32c', bytes, Number.NaN, 4, 0), RangeError],
      ['crc32c to infinity', call('crc32c', bytes, 0, Number.POSITIVE_INFINITY, 0), RangeError],
      ['crc32c with a bigint', call('crc32c', bytes, 0n, 4, 0), TypeError],
      ['crc32c with a seed too large', call('crc32c', bytes, 0, 4, 2 ** 32), RangeError],
      ['crc32c without a seed', call('crc32c', bytes, 0, 4), TypeError],
      ['copy to a place without room', call('copy', bytes, 10, bytes, 0, 7), RangeError],
      ['copy to past the end', call('copy', bytes, 17, bytes, 0, 0), RangeError],
      ['copy from a wrong range', call('copy', bytes, 0, bytes, 0, 17), RangeError],
      ['copy to nothing', call('copy', undefined, 0, bytes, 0, 1), TypeError],
      ['copyAndChecksum without a seed', call('copyAndChecksum', bytes, 0, bytes, 0, 1), TypeError],
      ['flushRange past the end', call('flushRange', bytes, 0, 17), RangeError],
      ['populate past the end', call('populate', bytes, 0, 17), RangeError],
      ['mapSegment without a path', call('mapSegment', 7, 4096, false, false), TypeError],
      [
        'mapSegment of a path with a zero byte',
        call('mapSegment', '/tmp\0/x', 4096, false, false),
        TypeError,
      ],
      ['mapSegment of a negative length', call('mapSegment', '/tmp', -1, false, false), RangeError],
      ['mapSegment without flags', call('mapSegment', '/tmp', 4096), TypeError],
      ['unmapSegment of other memory', call('unmapSegment', bytes), TypeError],
      ['createEvent without a callback', call('createEvent', {}), TypeError],
      ['openEventSender of another file', call('openEventSender', 0), TypeError],
      ['openEventSender of a negative number', call('openEventSender', -1), RangeError],
      ['lockFile without a path', call('lockFile'), TypeError],
    ];
    test.each(wrong)('%s', (_, act, kind) => {
      expect(act).toThrow(kind);
    });

    test('what the system refuses is an Error with its code', () => {
      expect(() => addon.mapSegment('/nowhere/at/all', 4096, false, false)).toThrow(
        expect.objectContaining({ code: 'ENOENT', syscall: 'open', errno: -2 }),
      );
      expect(() => addon.lockFile('/nowhere/at/all')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
      const short = makeFile('short', 100);
      expect(() => addon.mapSegment(short, 4096, false, false)).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      );
      expect(() => addon.openEventSender(1_000_000)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    });
  });

  describe('mapped segments', () => {
    test('stores are in the file, and a second mapping sees them', () => {
      const file = makeFile('mapped', 65536);
      const { bytes } = addon.mapSegment(file, 65536, false, false);
      const other = addon.mapSegment(file, 65536, true, false);
      bytes[4242] = 42;
      addon.flushRange(bytes, 4200, 4300);
      addon.populate(bytes, 0, 65536);
      expect(bytes[4242]).toBe(42);
      expect(other.bytes[4242]).toBe(42);
      expect(fs.readFileSync(file)[4242]).toBe(42);
      addon.unmapSegment(bytes);
      expect(other.bytes[4242]).toBe(42);
      addon.unmapSegment(other.bytes);
    });

    test('after unmapping the memory has no length, and every use is refused, not fatal', () => {
      const { bytes } = addon.mapSegment(makeFile('unmapped', 8192), 8192, false, false);
      const view = bytes.subarray(100, 200);
      addon.unmapSegment(bytes);
      expect(bytes.length).toBe(0);
      expect(view.length).toBe(0);
      expect(bytes[5]).toBe(undefined);
      expect(() => addon.flushRange(bytes, 0, 64)).toThrow(RangeError);
      expect(() => addon.crc32c(view, 0, 1, 0)).toThrow(RangeError);
      addon.unmapSegment(bytes);
    });

    test('a mapping that is kept lasts without its bytes, and is opened again by its name', () => {
      const file = makeFile('kept', 8192);
      const { bytes, region } = addon.mapSegment(file, 8192, false, false);
      // This thread has it already.
      expect(addon.openRegion(region)).toBe(null);
      bytes[5] = 55;
      addon.keepRegion(region);
      addon.unmapSegment(bytes);
      expect(bytes.length).toBe(0);
      const again = addon.openRegion(region)!;
      expect(again[5]).toBe(55);
      addon.dropRegion(region);
      addon.dropRegion(region);
      addon.unmapSegment(again);
      expect(addon.openRegion(region)).toBe(null);
      expect(() => addon.keepRegion(region)).toThrow(TypeError);
      expect(() => addon.openRegion(-1)).toThrow(RangeError);
    });

    test('MAP_SYNC is refused where it cannot be had', () => {
      const file = makeFile('plain', 4096);
      expect(() => addon.mapSegment(file, 4096, false, true)).toThrow(
        expect.objectContaining({ code: 'ENOTSUP' }),
      );
      const mapped = addon.mapSegment(file, 4096, false, false);
      expect(mapped.sync).toBe(false);
      addon.unmapSegment(mapped.bytes);
    });

    test('mapping and unmapping a thousand times leaves no maps behind', () => {
      const file = makeFile('many', 4096);
      const countMaps = (): number => fs.readFileSync('/proc/self/maps', 'utf8').split(file).length;
      if (process.platform !== 'linux') return;
      for (let round = 0; round < 1000; round += 1) {
        addon.unmapSegment(addon.mapSegment(file, 4096, false, false).bytes);
      }
      expect(countMaps()).toBe(1);
    });

    test('the flush instruction is one that is known', () => {
      expect(['clwb', 'clflushopt', 'clflush', 'dc cvap', 'fence only', 'msync']).toContain(
        addon.flushInstruction,
      );
    });
  });

  describe.runIf(process.platform === 'linux')('events', () => {
    test('signals wake the receiver, several as one', async () => {
      let calls = 0;
      let wake = (): void => {};
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const event = addon.createEvent(() => {
        calls += 1;
        wake();
      });
      const sender = addon.openEventSender(event.fd);
      for (let count = 0; count < 100; count += 1) sender.signal();
      expect(calls).toBe(0);
      await woken;
      await new Promise((resolve) => setImmediate(resolve));
      expect(calls).toBe(1);
      event.close();
      event.close();
      sender.signal();
      await new Promise((resolve) => setImmediate(resolve));
      expect(calls).toBe(1);
      sender.close();
      sender.close();
      sender.signal();
    });

    test('close from inside the callback', async () => {
      let calls = 0;
      await new Promise<void>((resolve) => {
        const event = addon.createEvent(() => {
          calls += 1;
          event.close();
          event.unref();
          resolve();
        });
        const sender = addon.openEventSender(event.fd);
        sender.signal();
        sender.close();
      });
      expect(calls).toBe(1);
    });

    test('promises settled in the callback run their reactions at once', async () => {
      const order: string[] = [];
      await new Promise<void>((resolve) => {
        const event = addon.createEvent(() => {
          Promise.resolve().then(() => order.push('reaction'));
          setImmediate(() => {
            order.push('later');
            resolve();
          });
          event.close();
        });
        addon.openEventSender(event.fd).signal();
      });
      expect(order).toEqual(['reaction', 'later']);
    });

    test('closing a thousand events leaves no descriptors', async () => {
      const count = (): number => fs.readdirSync('/proc/self/fd').length;
      const before = count();
      for (let round = 0; round < 1000; round += 1) {
        const event = addon.createEvent(() => {});
        const sender = addon.openEventSender(event.fd);
        sender.close();
        event.close();
      }
      // Closed handles give their descriptors back in a later phase of the loop.
      await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setImmediate(resolve));
      expect(count()).toBeLessThan(before + 20);
    });
  });

  describe.runIf(process.platform === 'linux')('file locks', () => {
    test('exclude a second opening until unlocked', () => {
      const file = path.join(scratch.path, 'lock');
      const first = addon.lockFile(file);
      expect(first).not.toBe(null);
      expect(addon.lockFile(file)).toBe(null);
      first!.unlock();
      first!.unlock();
      const second = addon.lockFile(file);
      expect(second).not.toBe(null);
      second!.unlock();
    });
  });
}
