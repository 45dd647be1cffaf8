/**
 * Aim: whatever a peer answers, or does not, an order to copy its checkpoint comes to one end, soon; it never takes the place of catching up,
 * and what is late is taken for nothing else. Method: a store, a clock and peers of the test's own.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { BlockWriter } from '../../src/checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../../src/checkpoint/format.js';
import { writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import { CheckpointDemand, type CopyOutcome } from '../../src/engine/checkpoint-demand.js';
import type { ServedCheckpoint } from '../../src/engine/checkpoint-server.js';
import type { Link } from '../../src/engine/links.js';
import { SynodError } from '../../src/errors.js';
import type { CheckpointFile, CheckpointStore } from '../../src/storage/checkpoint-store.js';
import type { CheckpointFetch } from '../../src/wire/codec.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { silentLogger } from '../application/support.js';

const PATIENCE_MS = 5000;
const RETRY_MS = 1000;
/** Bytes of a chunk that is not the last. */
const PART = CHECKPOINT_HEADER_BYTES + 10;

let now = 0;
let chosen = 0;
let newest: ServedCheckpoint | null = null;
let catchesUp = false;
let asked: (CheckpointFetch & { readonly of: string })[] = [];
let outcomes: { readonly request: number; readonly outcome: CopyOutcome }[] = [];
let links: Map<string, Link> = new Map();
/** What the disk has not done yet. */
let disk: (() => void)[] = [];
let stored: string[] = [];
let failure: SynodError | null = null;
let demand: CheckpointDemand;

const create = (slot: number): CheckpointFile => {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    append: (piece, callback) =>
      void disk.push(() => {
        bytes += piece.length;
        callback(failure);
      }),
    commit: (callback) =>
      void disk.push(() => {
        stored.push(`committed ${slot}`);
        callback(failure);
      }),
    abandon: (callback) =>
      void disk.push(() => {
        stored.push(`deleted ${slot}`);
        callback(null);
      }),
  };
};

function work(): void {
  while (disk.length > 0) disk.shift()!();
}

const members = encodeConfiguration({
  number: 1,
  members: [{ number: 1, id: 'b', incarnation: 'b'.repeat(32), address: '127.0.0.1:1' }],
  nextMember: 2,
});

/** A checkpoint of that slot, as a file. */
function fileOf(slot: number, nonceLow = slot): Uint8Array {
  const { bytes, chain } = writeCheckpointHeader(
    {
      ...{ slot, ballot: 1, nonceLow, nonceHigh: 0, createdAtMs: 0, cluster: 'here', replica: 'b' },
      ...{ configuration: members, firstConfiguration: members },
    },
    crc32c,
  );
  const writer = new BlockWriter(chain, crc32c);
  return Buffer.concat([bytes, ...writer.sessions([]), ...writer.state(new Uint8Array(64)), ...writer.end()]);
}

/** The peer sends the part of the file; by default all of it. True where it was taken for an answer. */
function send(of: string, slot: number, from = 0, through?: number, nonceLow = slot): boolean {
  const file = fileOf(slot, nonceLow);
  const chunk = { slot, nonceLow, nonceHigh: 0, offset: from, bytes: file.length };
  const isTaken = demand.onChunk(links.get(of)!, chunk, file.slice(from, through ?? file.length));
  work();
  return isTaken;
}

const sayNone = (of: string): boolean =>
  demand.onChunk(
    links.get(of)!,
    { slot: 0, nonceLow: 0, nonceHigh: 0, offset: 0, bytes: 0 },
    new Uint8Array(0),
  );

const order = (from: string | null = null, request = 1): void => demand.take({ kind: 'copy', request, from });

function pass(ms: number): void {
  now += ms;
  demand.tick();
  work();
}

const refused = (reason: string, peer: string | null = null): object => ({
  request: 1,
  outcome: { kind: 'refused', reason, peer },
});

beforeEach(() => {
  [now, chosen, newest, catchesUp, failure] = [0, 100, null, false, null];
  [asked, outcomes, disk, stored] = [[], [], [], []];
  links = new Map(['b', 'c'].map((id) => [id, { peer: { id } } as unknown as Link]));
  const store: Pick<CheckpointStore, 'create'> = {
    create: (slot, _name, callback) => void disk.push(() => callback(null, create(slot))),
  };
  demand = new CheckpointDemand({
    ...{ store: store as CheckpointStore, name: 'asked', crc32c, logger: silentLogger, cluster: 'here' },
    versions: { min: 1, max: 1 },
    chunkBytesMax: 1e6,
    ask: (link, fetch) => void asked.push({ ...fetch, of: link.peer!.id }),
    isUp: () => true,
    links: () => links,
    primary: () => 'b',
    chosen: () => chosen,
    newest: () => newest,
    isCatchingUp: () => catchesUp,
    now: () => now,
    onSettled: (request, outcome) => void outcomes.push({ request, outcome }),
  });
});

describe('an order to copy a checkpoint', () => {
  it('asks the primary last, and takes the first that is newer than what is here', () => {
    newest = { slot: 7, nonceLow: 7, nonceHigh: 0, bytes: 10 };
    order();
    expect(asked).toMatchObject([{ of: 'c', slot: 0, offset: 0 }]);
    send('c', 7);
    expect(asked[1]).toMatchObject({ of: 'b', slot: 0 });
    send('b', 8);
    expect(stored).toEqual(['committed 8']);
    expect(outcomes).toMatchObject([
      { request: 1, outcome: { kind: 'copied', from: 'b', checkpoint: { slot: 8 } } },
    ]);
  });

  it('tells of none only where nobody has any, and of the better news otherwise', () => {
    order();
    sayNone('c');
    sayNone('b');
    expect(outcomes.pop()).toEqual({ request: 1, outcome: { kind: 'none' } });
    order();
    sayNone('c');
    pass(PATIENCE_MS);
    expect(outcomes.pop()).toEqual(refused('silent', 'b'));
    newest = { slot: 7, nonceLow: 7, nonceHigh: 0, bytes: 10 };
    order();
    send('c', 6);
    sayNone('b');
    expect(outcomes.pop()).toEqual({ request: 1, outcome: { kind: 'not-newer', newest } });
  });

  it('is refused where another one is under way, or nobody is there', () => {
    order('nobody');
    expect(outcomes.pop()).toEqual(refused('not-linked', 'nobody'));
    order('b', 2);
    order('c');
    expect(outcomes.pop()).toEqual(refused('busy'));
    demand.onDown(links.get('b')!);
    expect(outcomes.pop()).toMatchObject({ request: 2, outcome: { reason: 'not-linked', peer: 'b' } });
    links.clear();
    order();
    expect(outcomes.pop()).toEqual(refused('not-linked'));
  });

  it('asks again where no answer comes, and gives the peer up in the end', () => {
    order('b');
    pass(RETRY_MS - 1);
    expect(asked.length).toBe(1);
    pass(1);
    expect(asked.length).toBe(2);
    pass(PATIENCE_MS - RETRY_MS);
    expect(outcomes).toEqual([refused('silent', 'b')]);
    pass(PATIENCE_MS);
    expect(outcomes.length).toBe(1);
  });

  it('waits until what the checkpoint holds is known to be chosen here, and jumps over nothing', () => {
    order('b');
    expect(send('b', 101)).toBe(true);
    expect(disk.length + stored.length).toBe(0);
    pass(10);
    expect(asked.length).toBe(1);
    chosen = 101;
    pass(10);
    expect(asked.length).toBe(2);
    send('b', 101);
    expect(outcomes).toMatchObject([{ outcome: { kind: 'copied', checkpoint: { slot: 101 } } }]);
    order('b');
    send('b', 102);
    pass(PATIENCE_MS);
    expect(outcomes[1]).toEqual(refused('behind', 'b'));
  });

  it('gives way to catching up', () => {
    catchesUp = true;
    order('b');
    expect(outcomes.pop()).toEqual(refused('catching-up'));
    catchesUp = false;
    order('b');
    send('b', 8, 0, PART);
    catchesUp = true;
    pass(1);
    expect(outcomes.pop()).toEqual(refused('catching-up'));
    expect(stored).toEqual(['deleted 8']);
  });

  it('goes to the next peer where one is damaged, or is exchanged on the way', () => {
    order();
    const file = fileOf(8);
    file[file.length - 1]! ^= 1;
    demand.onChunk(
      links.get('c')!,
      { slot: 8, nonceLow: 8, nonceHigh: 0, offset: 0, bytes: file.length },
      file,
    );
    work();
    expect(stored).toEqual(['deleted 8']);
    expect(asked[1]).toMatchObject({ of: 'b', slot: 0 });
    send('b', 8, 0, PART);
    send('b', 8, 0, PART, 99);
    expect(outcomes).toMatchObject([{ outcome: { kind: 'failed', code: 'ERR_SYNOD_NOT_COPIED' } }]);
    order('b');
    send('b', 9, 0, PART);
    send('b', 9, 0, PART, 99);
    expect(outcomes[1]).toEqual(refused('replaced', 'b'));
    expect(stored).toEqual(['deleted 8', 'deleted 8', 'deleted 9']);
    order('b');
    send('b', 9, 0, PART);
    send('b', 9, PART);
    expect(outcomes[2]).toMatchObject({ outcome: { kind: 'copied' } });
  });

  it('says that the disk has no room', () => {
    order('b');
    failure = new SynodError('ERR_SYNOD_STORAGE_FULL', 'full');
    send('b', 8);
    expect(outcomes).toEqual([
      { request: 1, outcome: { kind: 'failed', code: 'ERR_SYNOD_STORAGE_FULL', message: 'full' } },
    ]);
  });

  it('that is given up leaves nothing, and an answer that is late is no offer', () => {
    order('b');
    demand.take({ kind: 'give-up', request: 1 });
    // Taken for an offer, a checkpoint beyond what is chosen here would be installed.
    expect(send('b', 200)).toBe(true);
    expect(send('b', 200)).toBe(false);
    order('b');
    const file = fileOf(8);
    demand.onChunk(
      links.get('b')!,
      { slot: 8, nonceLow: 8, nonceHigh: 0, offset: 0, bytes: file.length },
      file.slice(0, PART),
    );
    demand.take({ kind: 'give-up', request: 1 });
    work();
    expect(stored).toEqual(['deleted 8']);
    expect(outcomes).toEqual([]);
  });

  it('that is given up too late is told of all the same: the file is there', () => {
    order('b');
    const file = fileOf(8);
    demand.onChunk(
      links.get('b')!,
      { slot: 8, nonceLow: 8, nonceHigh: 0, offset: 0, bytes: file.length },
      file,
    );
    disk.shift()!();
    disk.shift()!();
    expect(disk.length).toBe(1);
    demand.take({ kind: 'give-up', request: 1 });
    order('b', 2);
    expect(outcomes.pop()).toMatchObject({ request: 2, outcome: { reason: 'busy' } });
    work();
    expect(outcomes).toMatchObject([{ request: 0, outcome: { kind: 'copied' } }]);
  });
});
