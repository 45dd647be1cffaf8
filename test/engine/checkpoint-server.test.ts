/**
 * Aim: peers get checkpoints within the budget of bytes, one read at a time; a copy that was begun is gone on with, whatever is made
 * meanwhile; and the log behind it stays for as long as its peer asks, and no longer. Method: a store, a clock and links of the test's own.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { BlockWriter } from '../../src/checkpoint/blocks.js';
import { writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import { CheckpointServer, type ServedCheckpoint } from '../../src/engine/checkpoint-server.js';
import type { Link } from '../../src/engine/links.js';
import { SynodError } from '../../src/errors.js';
import type { CheckpointStore } from '../../src/storage/checkpoint-store.js';
import { decodeCheckpointChunk, FrameWriter } from '../../src/wire/codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { silentLogger } from '../application/support.js';

const CHUNK_BYTES = 400;
const BYTES_PER_SECOND = 1000;
const LEASE_MS = 30_000;
const SEND_QUEUE_BYTES_MAX = 900;

const named = (slot: number, bytes = 3000): ServedCheckpoint => ({
  slot,
  nonceLow: slot,
  nonceHigh: 0,
  bytes,
});

let now = 0;
let opened: number[] = [];
let closed: number[] = [];
/** Reads that the disk has not answered. */
let reads: (() => void)[] = [];
/** Slots of checkpoints that have no file any more; what happens before it is found so. */
let missing: Map<number, () => void>;
let warnings: string[] = [];
let up = true;
/** Slots of checkpoints that were found damaged. */
let damaged: number[] = [];
/** What is in the files. */
let file: Uint8Array = new Uint8Array(0);
/** A byte of it that the disk does not read. */
let unreadAt: number;
let server: CheckpointServer;
let serverOf: (chunkBytesMax: number, bytesPerSecondMax: number) => CheckpointServer;

/** A link, and the chunks that were sent on it: "slot from-end". */
function linkOf(): {
  readonly link: Link;
  readonly sent: string[];
  readonly connection: { queuedBytes: number };
} {
  const sent: string[] = [];
  const send = (
    header: Uint8Array,
    headerBytes: number,
    bytes = new Uint8Array(0),
    from = 0,
    count = 0,
  ): void => {
    const reader = new FrameReader(crc32c, 20_000, () => {});
    const whole = Buffer.concat([header.subarray(0, headerBytes), bytes.subarray(from, from + count)]);
    reader.push(whole, 0, whole.length, 0);
    const { slot, offset } = decodeCheckpointChunk(reader.next()!);
    sent.push(`${slot} ${offset}-${offset + count}`);
  };
  const connection = { send, queuedBytes: 0 };
  return { link: { sending: [], connection } as unknown as Link, sent, connection };
}

function read(): void {
  for (const answer of reads.splice(0)) answer();
}

const ask = (
  link: Link,
  { slot, nonceLow, nonceHigh }: ServedCheckpoint,
  offset: number,
  bytesMax = 1e6,
): void => server.serve(link, { slot, nonceLow, nonceHigh, offset, bytesMax });

beforeEach(() => {
  now = 0;
  [opened, closed, reads, damaged, warnings] = [[], [], [], [], []];
  missing = new Map();
  file = new Uint8Array(3000);
  unreadAt = Number.POSITIVE_INFINITY;
  up = true;
  const store: Pick<CheckpointStore, 'open'> = {
    open: (slot, callback) => {
      opened.push(slot);
      const before = missing.get(slot);
      before?.();
      if (before !== undefined) return callback(new SynodError('ERR_SYNOD_STORAGE_FAILED', 'ENOENT'));
      callback(null, {
        read: (offset, target, done) =>
          void reads.push(() => {
            target.set(file.subarray(offset, offset + target.length));
            if (offset <= unreadAt && unreadAt < offset + target.length)
              done(new SynodError('ERR_SYNOD_STORAGE_FAILED', 'EIO'));
            else done(null, Math.max(0, Math.min(target.length, file.length - offset)));
          }),
        close: () => void closed.push(slot),
      });
    },
  };
  serverOf = (chunkBytesMax, bytesPerSecondMax) =>
    new CheckpointServer({
      ...{ store: store as CheckpointStore, writer: new FrameWriter(crc32c), crc32c },
      logger: { ...silentLogger, warn: (_, message = '') => void warnings.push(message) },
      sendQueueBytesMax: SEND_QUEUE_BYTES_MAX,
      ...{ chunkBytesMax, bytesPerSecondMax, now: () => now, isUp: () => up, onSent: () => {} },
      onDamaged: (slot) => void damaged.push(slot),
    });
  server = serverOf(CHUNK_BYTES, BYTES_PER_SECOND);
});

describe('a peer that copies a checkpoint', () => {
  it('is offered the first chunk, and gets what it asks for, no more than a chunk at once', () => {
    const { link, sent } = linkOf();
    server.offer(link);
    expect(opened).toEqual([]);
    server.newest = named(7, 900);
    server.offer(link);
    read();
    ask(link, named(7), 400, 100);
    read();
    ask(link, named(7), 500);
    read();
    expect(sent).toEqual(['7 0-400', '7 400-500', '7 500-900']);
    ask(link, named(7), 900);
    read();
    expect(sent.length).toBe(3);
  });

  it('gets no more while it does not read what was sent to it, and what it asked for once it does', () => {
    const { link, sent, connection } = linkOf();
    const other = linkOf();
    server.newest = named(7);
    server.offer(link);
    read();
    connection.queuedBytes = SEND_QUEUE_BYTES_MAX + 1;
    for (const offset of [400, 0]) ask(link, named(7), offset);
    for (let tick = 0; tick < 3; tick += 1) server.tick();
    read();
    expect(sent).toEqual(['7 0-400']);
    // Nor does it take from the budget of others.
    server.offer(other.link);
    read();
    ask(other.link, named(7), 400);
    read();
    expect(other.sent).toEqual(['7 0-400', '7 400-800']);
    now += 1000;
    connection.queuedBytes = SEND_QUEUE_BYTES_MAX;
    server.tick();
    read();
    expect(sent).toEqual(['7 0-400', '7 400-800']);
  });

  it('is told that there is none, or none that is sound, where it asks for whatever there is', () => {
    const { link, sent } = linkOf();
    const any = named(0);
    ask(link, any, 0);
    expect(sent).toEqual(['0 0-0']);
    // Whoever asks for a certain one catches up, and asks others in time.
    ask(link, named(7), 0);
    expect(sent.length).toBe(1);
    server.newest = named(7, 900);
    ask(link, any, 0);
    read();
    expect(sent[1]).toBe('7 0-400');
  });

  it('has one read under way, however often it asks', () => {
    const { link, sent } = linkOf();
    server.newest = named(7);
    server.offer(link);
    for (let times = 0; times < 5; times += 1) ask(link, named(7), 400);
    expect(reads.length).toBe(1);
    read();
    expect(sent).toEqual(['7 0-400']);
  });

  it('goes on with the same one where a newer one was made; another peer gets that', () => {
    const { link, sent } = linkOf();
    const other = linkOf();
    server.newest = named(7);
    server.offer(link);
    read();
    server.newest = named(9);
    ask(link, named(7), 400);
    server.offer(other.link);
    read();
    expect(sent).toEqual(['7 0-400', '7 400-800']);
    expect(other.sent).toEqual(['9 0-400']);
    expect(closed).toEqual([]);
  });

  it('that asks for one that is not known here gets the newest from its beginning', () => {
    const { link, sent } = linkOf();
    server.newest = named(9);
    ask(link, named(7), 1200);
    read();
    expect(sent).toEqual(['9 0-400']);
  });

  it('gets the newer one where what it was to get was deleted meanwhile, and nobody is warned', () => {
    const { link, sent } = linkOf();
    server.newest = named(7);
    missing.set(7, () => {
      server.newest = named(9);
    });
    server.offer(link);
    read();
    expect(sent).toEqual(['9 0-400']);
    expect(warnings).toEqual([]);
  });

  it('asks again where the one that is known here cannot be opened; then somebody is warned, and another one is made', () => {
    const { link, sent } = linkOf();
    server.newest = named(7);
    missing.set(7, () => {});
    server.offer(link);
    expect([warnings, damaged]).toEqual([[], []]);
    expect(server.heldSlot()).toBe(Number.POSITIVE_INFINITY);
    server.offer(link);
    expect(damaged).toEqual([7]);
    expect(warnings).toEqual(['checkpoint cannot be opened']);
    ask(link, named(0), 0);
    expect(sent.splice(0)).toEqual(['0 0-0']);
    server.newest = named(9);
    server.offer(link);
    read();
    expect(sent).toEqual(['9 0-400']);
  });

  it('is sent nothing where its link broke while its file was opened', () => {
    const { link, sent } = linkOf();
    server.newest = named(7);
    missing.set(7, () => {
      server.newest = named(9);
      server.onDown(link);
    });
    server.offer(link);
    read();
    expect([sent, opened, warnings]).toEqual([[], [7], []]);
  });

  it('is sent nothing where its link broke while the disk read, and its file is closed', () => {
    const { link, sent } = linkOf();
    server.newest = named(7);
    server.offer(link);
    server.onDown(link);
    expect(closed).toEqual([7]);
    read();
    expect(sent).toEqual([]);
  });
});

describe('the budget', () => {
  it('is of one second at most, overdrawn by one chunk, and what is beyond it goes out in its time', () => {
    const { link, sent } = linkOf();
    server.newest = named(7);
    now = 60_000;
    server.offer(link);
    read();
    for (const offset of [400, 800, 1200]) {
      ask(link, named(7), offset);
      read();
    }
    // 1000 bytes, and the 200 of the third chunk that were overdrawn.
    expect(sent).toEqual(['7 0-400', '7 400-800', '7 800-1200']);
    now += 200;
    server.tick();
    read();
    expect(sent.length).toBe(3);
    now += 1;
    server.tick();
    read();
    expect(sent.at(-1)).toBe('7 1200-1600');
    expect(sent.length).toBe(4);
  });

  it('is for all peers together', () => {
    const links = [linkOf(), linkOf(), linkOf(), linkOf()];
    server.newest = named(7);
    for (const { link } of links) server.offer(link);
    read();
    expect(links.map(({ sent }) => sent.length)).toEqual([1, 1, 1, 0]);
    now += 1000;
    server.tick();
    read();
    expect(links.map(({ sent }) => sent.length)).toEqual([1, 1, 1, 1]);
  });

  it('is not spent on peers that are gone', () => {
    const links = [linkOf(), linkOf(), linkOf(), linkOf(), linkOf()];
    server.newest = named(7);
    for (const { link } of links) server.offer(link);
    read();
    server.onDown(links[3]!.link);
    now += 201;
    server.tick();
    read();
    expect(links.map(({ sent }) => sent.length)).toEqual([1, 1, 1, 0, 1]);
  });
});

describe('a checkpoint that the disk has damaged', () => {
  const CHUNK = 10_000;

  /** Of slot 7, with so many bytes of state. */
  function write(stateBytes: number): ServedCheckpoint {
    const configuration = Buffer.from('{}');
    const names = {
      slot: 7,
      ballot: 1,
      nonceLow: 7,
      nonceHigh: 0,
      createdAtMs: 1,
      cluster: 'test',
      replica: 'a',
    };
    const header = { ...names, configuration, firstConfiguration: configuration };
    const { bytes, chain } = writeCheckpointHeader(header, crc32c);
    const writer = new BlockWriter(chain, crc32c);
    file = Buffer.concat([bytes, ...writer.state(new Uint8Array(stateBytes).fill(5)), ...writer.end()]);
    server = serverOf(CHUNK, 1e9);
    server.newest = named(7, file.length);
    return server.newest;
  }

  /** Asks as a peer does, until nothing comes any more. */
  function copy(link: Link, sent: readonly string[], checkpoint: ServedCheckpoint): void {
    server.offer(link);
    for (let before = -1; before < sent.length; ) {
      before = sent.length;
      read();
      ask(link, checkpoint, sent.length * CHUNK);
    }
  }

  it('is sent whole where it is none', () => {
    const checkpoint = write(50_000);
    const { link, sent } = linkOf();
    copy(link, sent, checkpoint);
    expect(sent.at(-1)).toBe(`7 50000-${file.length}`);
    expect(damaged).toEqual([]);
  });

  it.each([
    ['in its header', 100, 0],
    ['in a block', 30_000, 5],
    ['at its end', -1, 5],
  ])('is not sent to its end, %s, and another one is asked for, once', (_where, at, chunks) => {
    const checkpoint = write(50_000);
    file[at < 0 ? file.length + at : at]! ^= 1;
    const { link, sent } = linkOf();
    const other = linkOf();
    copy(link, sent, checkpoint);
    expect(sent.length).toBe(chunks);
    expect(damaged).toEqual([7]);
    expect(closed).toEqual([7]);
    copy(other.link, other.sent, checkpoint);
    expect(other.sent).toEqual([]);
    expect(damaged).toEqual([7]);
    // The next one has other bytes, be it of the same slot.
    server.newest = { ...write(100), nonceHigh: 1 };
    server.offer(other.link);
    read();
    expect(other.sent.length).toBe(1);
  });

  it.each([
    [
      'that it does not read',
      () => {
        unreadAt = 30_000;
      },
    ],
    [
      'that it has cut off',
      () => {
        file = file.subarray(0, 35_000);
      },
    ],
  ])(
    'is not sent to its end either where it is one %s, and another one is asked for, once',
    (_what, befall) => {
      const checkpoint = write(50_000);
      befall();
      const { link, sent } = linkOf();
      const other = linkOf();
      server.offer(other.link);
      copy(link, sent, checkpoint);
      expect(sent.length).toBe(3);
      expect(damaged).toEqual([7]);
      // Nobody goes on with it, nor begins.
      expect(closed).toEqual([7, 7]);
      expect(server.heldSlot()).toBe(Number.POSITIVE_INFINITY);
      server.offer(link);
      expect(opened).toEqual([7, 7]);
      server.newest = { ...write(100), nonceHigh: 1 };
      server.offer(link);
      read();
      expect(sent.length).toBe(4);
    },
  );

  it('that was replaced meanwhile is given up, and no other asked for', () => {
    const checkpoint = write(50_000);
    file[30_000]! ^= 1;
    const { link, sent } = linkOf();
    server.offer(link);
    server.newest = named(9);
    for (let chunk = 0; chunk < 7; chunk += 1) {
      read();
      ask(link, checkpoint, (chunk + 1) * CHUNK);
    }
    expect(sent.every((one) => one.startsWith('7 '))).toBe(false);
    expect(damaged).toEqual([]);
  });
});

describe('the log behind a checkpoint that is copied', () => {
  it('is held for as long as its peer asks, and half a minute longer', () => {
    const { link } = linkOf();
    expect(server.heldSlot()).toBe(Number.POSITIVE_INFINITY);
    server.newest = named(7);
    server.offer(link);
    read();
    server.newest = named(9);
    now += LEASE_MS - 1;
    expect(server.heldSlot()).toBe(7);
    ask(link, named(7), 400);
    now += LEASE_MS - 1;
    expect(server.heldSlot()).toBe(7);
    now += 1;
    expect(server.heldSlot()).toBe(Number.POSITIVE_INFINITY);
    expect(closed).toEqual([7]);
  });

  it('is let go as the peer fetches it', () => {
    const { link } = linkOf();
    server.newest = named(7);
    server.offer(link);
    read();
    server.onLogFetch(link, 7);
    expect(server.heldSlot()).toBe(7);
    server.onLogFetch(link, 21);
    expect(server.heldSlot()).toBe(20);
    // Never back: the log before it may be gone.
    server.onLogFetch(link, 12);
    expect(server.heldSlot()).toBe(20);
  });

  it('is held for the peer that is farthest behind', () => {
    const [first, second] = [linkOf(), linkOf()];
    server.newest = named(7);
    server.offer(first.link);
    server.newest = named(9);
    server.offer(second.link);
    expect(server.heldSlot()).toBe(7);
    server.onDown(first.link);
    expect(server.heldSlot()).toBe(9);
    server.close();
    expect(server.heldSlot()).toBe(Number.POSITIVE_INFINITY);
  });
});
