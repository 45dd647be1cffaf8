/**
 * Calls every function of the addon with whatever arguments, in a process of its own, as that is what dies if one of them
 * does not check what it is given. Writes each call down before it is made, and says at the end how many there were.
 *
 *     node addon-child.js SEED SECONDS FILE
 */

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';
import { loadAddon, type NativeAddon } from '../../src/native/addon.js';
import { Random } from './random.js';

const [seed = '1', seconds = '1', callFile = '/dev/null'] = process.argv.slice(2);
const random = new Random(Number(seed));
const scratch = mkdtempSync(path.join(tmpdir(), 'synod-fuzz-'));
const calls = openSync(callFile, 'w');
const segmentFile = path.join(scratch, 'segment');
writeFileSync(segmentFile, new Uint8Array(64 * 1024));
const ownFd = openSync(path.join(scratch, 'written'), 'w+');

type Method = (...values: unknown[]) => unknown;
/** Objects that the addon gave, with methods to call. */
const handles: { readonly name: string; readonly object: Record<string, unknown> }[] = [];
/** Memory that was registered stays: whoever registers it promises that. */
const kept: unknown[] = [];
const HANDLES_MAX = 24;

/** Words of the functions' own: what is right at one place is wrong at most. */
const numbers: readonly number[] = [
  0,
  1,
  2,
  3,
  7,
  63,
  64,
  4095,
  4096,
  65_535,
  65_536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
  -1,
  -0,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];

function bytes(): unknown {
  const length = random.pick([0, 1, 8, 63, 64, 65, 4096, 65_536]);
  const buffer = new ArrayBuffer(length + 8);
  const makers: readonly (() => unknown)[] = [
    () => new Uint8Array(length),
    () => new Uint8Array(buffer, random.below(9), length),
    () => Buffer.alloc(length),
    () => new Uint8Array(new SharedArrayBuffer(length)),
    () => new Uint8ClampedArray(length),
    () => new Float64Array(length >> 3),
    () => new DataView(buffer),
    () => buffer,
    () => {
      const taken = new Uint8Array(length);
      structuredClone(taken.buffer, { transfer: [taken.buffer] });
      return taken;
    },
    () => {
      // A view that is out of its memory's bounds after the memory has shrunk.
      const options = { maxByteLength: 65_536 + 8 };
      const shrinking = new (ArrayBuffer as new (bytes: number, options: object) => ArrayBuffer)(
        length,
        options,
      );
      const view = new Uint8Array(shrinking, 0, length);
      (shrinking as unknown as { resize(bytes: number): void }).resize(length >> 1);
      return view;
    },
    () => (mapped.length === 0 ? new Uint8Array(8) : random.pick(mapped)),
  ];
  return random.chance(0.75) ? makers[random.below(4)]!() : random.pick(makers)();
}

const mapped: Uint8Array[] = [];

function anyValue(): unknown {
  switch (random.below(10)) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
      return random.chance(0.5);
    case 3:
      return random.pick([10n, Symbol('s'), {}, [], () => {}, /x/, new Date(0), new Proxy({}, {}), 'text']);
    case 4:
      return random.pick([
        '',
        '127.0.0.1',
        '::1',
        'nowhere',
        segmentFile,
        scratch,
        'a\0b',
        'x'.repeat(5000),
        '\ud800',
      ]);
    case 5:
    case 6:
      return random.pick(numbers);
    case 7:
      return random.below(70_000);
    default:
      return bytes();
  }
}

/** Right arguments for some calls, so that what lies behind the checks is reached. Null: any. */
const likely: Readonly<Record<string, () => unknown[]>> = {
  crc32c: () => [bytes(), random.below(64), random.below(100), random.word()],
  copy: () => [bytes(), random.below(64), bytes(), random.below(64), random.below(100)],
  copyAndChecksum: () => [
    bytes(),
    random.below(64),
    bytes(),
    random.below(64),
    random.below(100),
    random.word(),
  ],
  mapSegment: () => [segmentFile, random.pick([4096, 65_536, 65_537]), false, random.chance(0.2)],
  unmapSegment: () => [mapped.length === 0 ? bytes() : random.pick(mapped)],
  populate: () => [bytes(), random.below(64), random.below(100)],
  flushRange: () => [bytes(), random.below(64), random.below(100)],
  lockFile: () => [path.join(scratch, `lock${random.below(3)}`)],
  createEvent: () => [() => {}],
  openEventSender: () => [random.below(40)],
  createUring: () => [() => {}],
  readDirectIoAlignment: () => [segmentFile],
  addressModulo: () => [bytes(), 1 + random.below(8192)],
  flush: () => [random.below(4), random.below(3), random.chance(0.7)],
  registerMemory: () => [bytes()],
  unregisterMemory: () => [random.below(5)],
  openPool: () => [random.chance(0.5), random.pick([1, 64, 4096])],
  addReceiveMemory: () => [bytes()],
  listen: () => [random.pick(['127.0.0.1', '::1']), 0, random.below(100)],
  connect: () => [random.pick(['127.0.0.1', '::1']), random.pick([0, 1, 9, 65_535])],
  acceptAgain: () => [random.below(6)],
  closeSocket: () => [random.below(6)],
  setReceiving: () => [random.below(6), random.chance(0.5)],
  addressOf: () => [random.below(6), random.chance(0.5)],
  write: () => [
    ownFd,
    1 + random.below(4),
    random.below(64),
    random.below(64),
    random.below(4096),
    random.chance(0.5),
  ],
  sync: () => [ownFd],
};

/** These must not meet what is not this process's own: descriptors of the runtime, addresses beyond the loop-back. */
function tame(name: string, values: unknown[]): unknown[] {
  if (name === 'write' || name === 'sync') {
    const [fd] = values;
    if (typeof fd === 'number' && fd >= 0 && fd < 4096) values[0] = ownFd;
  }
  if (name === 'listen' || name === 'connect') {
    if (typeof values[0] === 'string' && values[0] !== 'nowhere') values[0] = '127.0.0.1';
  }
  // Memory that is mapped for reading only ends the process at any store, also at one of JavaScript.
  if (name === 'mapSegment' && values[2] === true) values[2] = false;
  if (name === 'registerMemory') kept.push(values[0]);
  return values;
}

const wrongState: ReadonlySet<string> = new Set(['the pool is open', 'the pool is not open']);

function checkError(name: string, error: unknown): void {
  if (error instanceof TypeError || error instanceof RangeError) return;
  if (error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string') return;
  if (error instanceof Error && wrongState.has(error.message)) return;
  throw new Error(`${name} threw ${inspect(error)}`);
}

function keep(name: string, result: unknown): void {
  if (typeof result !== 'object' || result === null) return;
  if (name === 'mapSegment') {
    mapped.push((result as { bytes: Uint8Array }).bytes);
    if (mapped.length > 8) mapped.shift();
    return;
  }
  if (!['lockFile', 'createEvent', 'openEventSender', 'createUring'].includes(name)) return;
  const object = result as Record<string, unknown>;
  // Else the loop would wait for it at the end.
  if (name === 'createEvent') (object.unref as Method)();
  handles.push({ name, object });
  if (handles.length <= HANDLES_MAX) return;
  const [oldest] = handles.splice(random.below(handles.length), 1);
  ((oldest!.object.close ?? oldest!.object.unlock) as Method)();
}

/** What JavaScript shares with a ring is read there as it is: it must be checked there. */
function scribble(object: Record<string, unknown>): void {
  const { sends, returns, holds } = object as {
    sends?: Float64Array;
    returns?: Int32Array;
    holds?: Int32Array;
  };
  if (sends === undefined || returns === undefined || holds === undefined) return;
  for (let at = 0; at < 16; at++) {
    sends[at] = random.chance(0.6) ? random.below(5) - 1 : random.pick(numbers);
    returns[at] = random.chance(0.6) ? random.below(4) : random.word();
  }
}

const wordSize = 512;
function call(name: string, method: Method, self: unknown, chance: number): void {
  const values = tame(
    name,
    (random.chance(chance) ? likely[name]?.() : undefined) ??
      Array.from({ length: random.below(8) }, anyValue),
  );
  // One of the right ones is exchanged for any.
  if (values.length > 0 && random.chance(0.25)) {
    values[random.below(values.length)] = anyValue();
    tame(name, values);
  }
  const line = `${count} ${name}(${values.map((value) => inspect(value, { maxArrayLength: 2, depth: 0, customInspect: false })).join(', ')})`;
  writeSync(
    calls,
    line
      .replaceAll('\n', ' ')
      .slice(0, wordSize - 1)
      .padEnd(wordSize - 1)
      .concat('\n'),
    (count % 8) * wordSize,
  );
  count += 1;
  let result: unknown;
  try {
    result = method.apply(self, values);
  } catch (error) {
    checkError(name, error);
    return;
  }
  keep(name, result);
}

let count = 0;

async function misuse(addon: NativeAddon): Promise<void> {
  const functions = Object.entries(addon).filter(([, value]) => typeof value === 'function') as [
    string,
    Method,
  ][];
  const end = performance.now() + Number(seconds) * 1000;
  while (performance.now() < end) {
    for (let round = 0; round < 200; round++) {
      if (handles.length > 0 && random.chance(0.6)) {
        const { object } = random.pick(handles);
        const names = Object.keys(object).filter((name) => typeof object[name] === 'function');
        const name = random.pick(names);
        if ((name === 'close' || name === 'unlock') && random.chance(0.8)) continue;
        if (name === 'ref') continue;
        if (name === 'flush') scribble(object);
        call(name, object[name] as Method, object, 0.7);
      } else {
        const [name, method] = random.pick(functions);
        if ((name === 'createUring' || name === 'probeUring') && random.chance(0.9)) continue;
        call(name, method, addon, 0.6);
      }
    }
    await turn();
  }
  for (const { object } of handles) ((object.close ?? object.unlock) as Method)();
}

const { addon, reason } = loadAddon();
// A text that is no path of ours is a path all the same: files are made of it, here.
process.chdir(scratch);
try {
  if (addon === null) process.stdout.write(`${JSON.stringify({ skipped: reason })}\n`);
  else {
    await misuse(addon);
    process.stdout.write(`${JSON.stringify({ executions: count })}\n`);
  }
} finally {
  process.chdir('/');
  closeSync(ownFd);
  closeSync(calls);
  rmSync(scratch, { recursive: true, force: true });
}
