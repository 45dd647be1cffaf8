/**
 * Aim: the log is bounded; a replica goes on from its newest sound checkpoint and the log behind it; and one that was away too long,
 * or lost its disk, gets a checkpoint from a peer and joins the others, without a restart and while commands go on.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Decree, StateMachine } from '../../src/index.js';
import { Replica, type ReplicaOptions, SynodError } from '../../src/index.js';
import { bytesOf, freePorts, silentLogger, until } from './support.js';

const MEBIBYTE = 1024 * 1024;
const ids = ['a', 'b', 'c'];

/** Counts, and remembers the last commands, in a state that is as large as `ballast` says. */
class Counter implements StateMachine<number> {
  count = 0;
  restores = 0;
  recent: string[] = [];
  ballast = 0;
  readonly appliesDuringCheckpoint: boolean;

  constructor(appliesDuringCheckpoint: boolean) {
    this.appliesDuringCheckpoint = appliesDuringCheckpoint;
  }

  apply(decree: Decree<number>): void {
    for (let index = 0; index < decree.count; index += 1) {
      this.count += 1;
      this.recent.push(Buffer.from(decree.command(index)).toString('latin1', 0, 12));
      if (this.recent.length > 50) this.recent.shift();
      decree.reply(index, this.count);
    }
  }

  digest(): string {
    return `${this.count} ${this.recent.join()}`;
  }

  takeCheckpoint(): Iterable<Uint8Array> {
    const fixed = Buffer.from(JSON.stringify({ count: this.count, recent: this.recent }));
    const { ballast } = this;
    return (function* () {
      yield fixed.subarray(0, 5);
      yield fixed.subarray(5);
      for (let left = ballast; left > 0; left -= MEBIBYTE) yield Buffer.alloc(Math.min(left, MEBIBYTE), ' ');
    })();
  }

  async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of state) pieces.push(piece);
    const { count, recent } = JSON.parse(Buffer.concat(pieces).toString());
    this.count = count;
    this.recent = recent;
    this.restores += 1;
  }
}

interface Member {
  readonly id: string;
  replica: Replica<number> | null;
  machine: Counter;
  readonly copied: number[];
}

const roots: string[] = [];
let members: Member[] = [];

afterEach(async () => {
  await Promise.all(members.map(({ replica }) => replica?.close()));
  members = [];
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

async function cluster(options: Partial<ReplicaOptions> = {}, machine = () => new Counter(true)) {
  const root = mkdtempSync(path.join(tmpdir(), 'synod-checkpoints-'));
  roots.push(root);
  const ports = await freePorts(ids.length);
  const addresses = ids.map((id, index) => ({ id, address: `127.0.0.1:${ports[index]}` }));
  members = ids.map((id) => ({ id, replica: null, machine: machine(), copied: [] }));
  const open = async (member: Member): Promise<void> => {
    member.machine = machine();
    member.replica = await Replica.open(
      {
        cluster: 'here',
        replica: member.id,
        members: addresses,
        dataDir: path.join(root, member.id),
        storage: { kind: 'file', segmentBytes: MEBIBYTE },
        transport: { kind: 'tcp' },
        engine: 'inline',
        checkpoints: { everyBytes: 2 * MEBIBYTE, retain: 2 },
        logger: silentLogger,
        ...options,
      },
      member.machine,
    );
    member.replica.on('checkpoint', ({ slot, source }) => {
      if (source === 'copied') member.copied.push(slot);
    });
  };
  await Promise.all(members.map(open));
  return {
    root,
    open,
    async close(member: Member): Promise<void> {
      await member.replica!.close();
      member.replica = null;
    },
    folder: (member: Member, name: 'log' | 'checkpoints') => path.join(root, member.id, name),
  };
}

let serial = 0;

/** Gives `count` commands of 10 KiB to the member, not too many at once. */
async function load(member: Member, count: number): Promise<void> {
  for (let done = 0; done < count; done += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, count - done) }, () => {
        serial += 1;
        return member.replica!.replicate(bytesOf(`${serial}`.padStart(12, '0') + 'x'.repeat(10_240)));
      }),
    );
  }
}

async function untilEqual(): Promise<void> {
  await until('all have executed the same', async () => {
    const statuses = await Promise.all(
      members.flatMap(({ replica }) => (replica === null ? [] : [replica.status()])),
    );
    return statuses.every(
      ({ applied, chosen }) => applied === statuses[0]!.applied && chosen === statuses[0]!.chosen,
    );
  });
  const digests = members.filter(({ replica }) => replica !== null).map(({ machine }) => machine.digest());
  expect(new Set(digests).size).toBe(1);
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder).filter((name) => !name.endsWith('.owner') && name !== 'LOCK');
/** Beside files that were removed and wait to be made into the next ones: these are few, and no part of the log. */
const bytesIn = (folder: string): number =>
  // A file may be dropped just now.
  filesIn(folder)
    .filter((name) => !name.endsWith('.new'))
    .reduce(
      (sum, name) => sum + (statSync(path.join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );

/** Has these members make two checkpoints, so that nothing but the tail of the log is needed, and waits until no more is there. */
async function dropLogs(
  folder: (member: Member, name: 'log' | 'checkpoints') => string,
  which: readonly number[],
): Promise<void> {
  const there = which.map((index) => members[index]!);
  for (let round = 0; round < 2; round += 1) {
    await load(there[0]!, 1);
    await Promise.all(there.map(({ replica }) => replica!.checkpoint()));
  }
  // The segment of the older checkpoint, the one that is written to, the one made ahead, and a segment that ends in between.
  await until('logs are dropped', () =>
    there.every((member) => bytesIn(folder(member, 'log')) <= 4 * MEBIBYTE),
  );
}

describe('the log', () => {
  it('stays bounded, whatever is written', async () => {
    const { folder } = await cluster();
    let most = 0;
    for (let round = 0; round < 6; round += 1) {
      await load(members[round % 3]!, 500);
      for (const member of members) most = Math.max(most, bytesIn(folder(member, 'log')));
    }
    await untilEqual();
    // 30 MiB were written. How far the log gets ahead of the checkpoints is up to the disk, but it never has all of them.
    expect(most).toBeLessThan(24 * MEBIBYTE);
    await dropLogs(folder, [0, 1, 2]);
    await until('two checkpoints are left of each', () =>
      members.every((member) => filesIn(folder(member, 'checkpoints')).length === 2),
    );
  }, 120_000);
});

describe('a replica that is started again', () => {
  it('restores its newest checkpoint and executes the log behind it', async () => {
    const { open, close } = await cluster();
    await load(members[0]!, 700);
    await untilEqual();
    const { count } = members[1]!.machine;
    await close(members[1]!);
    await open(members[1]!);
    await load(members[1]!, 10);
    await untilEqual();
    expect(members[1]!.machine.restores).toBe(1);
    expect(members[1]!.machine.count).toBe(count + 10);
  }, 60_000);

  it('all of them at once too', async () => {
    const { open, close } = await cluster();
    await load(members[0]!, 700);
    await untilEqual();
    const { count } = members[0]!.machine;
    await Promise.all(members.map(close));
    await Promise.all(members.map(open));
    await load(members[2]!, 10);
    await untilEqual();
    expect(members.map(({ machine }) => machine.restores)).toEqual([1, 1, 1]);
    expect(members[0]!.machine.count).toBe(count + 10);
  }, 60_000);

  it('takes the one before, where the newest is damaged', async () => {
    const { open, close, folder } = await cluster();
    await load(members[0]!, 1000);
    await untilEqual();
    await close(members[1]!);
    const checkpoints = filesIn(folder(members[1]!, 'checkpoints')).sort();
    expect(checkpoints.length).toBe(2);
    const newest = path.join(folder(members[1]!, 'checkpoints'), checkpoints[1]!);
    const bytes = readFileSync(newest);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(newest, bytes);
    await open(members[1]!);
    await load(members[1]!, 10);
    await untilEqual();
  }, 60_000);

  it('says so where none of them can be read, and the log does not reach back', async () => {
    const { open, close, folder } = await cluster();
    await load(members[0]!, 1000);
    await untilEqual();
    await close(members[1]!);
    for (const name of filesIn(folder(members[1]!, 'checkpoints'))) {
      const file = path.join(folder(members[1]!, 'checkpoints'), name);
      const bytes = readFileSync(file);
      bytes[20]! ^= 1;
      writeFileSync(file, bytes);
    }
    await expect(open(members[1]!)).rejects.toMatchObject({ code: 'ERR_SYNOD_LOG_CORRUPT' });
  }, 60_000);
});

describe('a replica that was away', () => {
  it('for longer than the logs reach back gets a checkpoint, while commands go on', async () => {
    const { open, close, folder } = await cluster();
    await load(members[0]!, 10);
    await untilEqual();
    await close(members[2]!);
    await load(members[0]!, 1500);
    await dropLogs(folder, [0, 1]);
    await open(members[2]!);
    await load(members[1]!, 300);
    await until('c has a checkpoint', () => members[2]!.copied.length > 0);
    await untilEqual();
    expect(await members[2]!.replica!.replicate(bytesOf('after'))).toBe(members[2]!.machine.count);
    await untilEqual();
  }, 120_000);

  it('gets a checkpoint also where those of all others are damaged: they make new ones', async () => {
    const { open, close, folder } = await cluster({
      checkpoints: { everyBytes: 1024 * MEBIBYTE, retain: 1 },
    });
    await load(members[0]!, 10);
    await untilEqual();
    await close(members[2]!);
    await load(members[0]!, 600);
    await dropLogs(folder, [0, 1]);
    for (const member of members.slice(0, 2)) {
      const [name] = filesIn(folder(member, 'checkpoints'));
      const file = path.join(folder(member, 'checkpoints'), name!);
      const bytes = readFileSync(file);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(file, bytes);
    }
    await open(members[2]!);
    await until('c has a checkpoint', () => members[2]!.copied.length > 0, 60_000);
    await untilEqual();
  }, 120_000);

  it('with its disk lost gets a checkpoint and is let in again', async () => {
    const { root, open, close, folder } = await cluster();
    await load(members[0]!, 1500);
    await untilEqual();
    await dropLogs(folder, [0, 2]);
    await close(members[1]!);
    rmSync(path.join(root, 'b'), { recursive: true });
    await open(members[1]!);
    await until('b is a member', async () =>
      ['secondary', 'primary'].includes((await members[1]!.replica!.status()).role),
    );
    await until('b has a checkpoint', () => members[1]!.copied.length > 0);
    await load(members[1]!, 20);
    await untilEqual();
    // What it has now is good to start from as well.
    await close(members[1]!);
    await open(members[1]!);
    await load(members[1]!, 20);
    await untilEqual();
  }, 120_000);

  it('gets one that is many times as large as a chunk', async () => {
    const { open, close } = await cluster();
    for (const { machine } of members) machine.ballast = 20 * MEBIBYTE;
    await load(members[0]!, 10);
    await close(members[2]!);
    await load(members[0]!, 1500);
    await open(members[2]!);
    await until(
      'c has caught up',
      async () => {
        const [here, there] = await Promise.all(
          [members[0]!, members[2]!].map(({ replica }) => replica!.status()),
        );
        return here!.chosen === there!.applied;
      },
      60_000,
    );
    expect(members[2]!.copied.length).toBeGreaterThan(0);
    await untilEqual();
  }, 120_000);
});

describe('a checkpoint is made by itself', () => {
  const made = (member: Member): Promise<number> =>
    new Promise((resolve) => member.replica!.once('checkpoint', ({ slot }) => resolve(slot)));

  it('where the state machine wants one, and again when it wants another', async () => {
    const machine = new Counter(true);
    await cluster({ checkpoints: { everyBytes: 1024 * MEBIBYTE } }, () => machine);
    const wish = { wantsCheckpoint: false };
    Object.defineProperty(machine, 'wantsCheckpoint', { get: () => wish.wantsCheckpoint });
    for (let round = 0; round < 2; round += 1) {
      const first = made(members[0]!);
      await load(members[0]!, 1);
      const { applied } = await members[0]!.replica!.status();
      wish.wantsCheckpoint = true;
      await load(members[0]!, 1);
      expect(await first).toBeGreaterThan(applied);
      wish.wantsCheckpoint = false;
    }
  }, 60_000);

  it('from time to time, where something was executed', async () => {
    await cluster({ checkpoints: { everyBytes: 1024 * MEBIBYTE, everyMs: 1000 } });
    const all = members.map(made);
    await load(members[0]!, 1);
    const slots = await Promise.all(all);
    for (const slot of slots) expect(slot).toBeGreaterThan(0);
  }, 60_000);

  it('later, where the state machine makes none for now; who asks for one meanwhile is told so', async () => {
    const machine = new Counter(true);
    await cluster({ checkpoints: { everyBytes: MEBIBYTE } }, () => machine);
    const { takeCheckpoint } = machine;
    let refusals = 0;
    machine.takeCheckpoint = (() => {
      refusals += 1;
      return null;
    }) as unknown as Counter['takeCheckpoint'];
    await load(members[0]!, 350);
    await until('it was asked, and refused', () => refusals > 0);
    await expect(members[0]!.replica!.checkpoint()).rejects.toMatchObject({
      code: 'ERR_SYNOD_STATE_MACHINE',
      message: expect.stringContaining('makes none now'),
    });
    const later = made(members[0]!);
    machine.takeCheckpoint = takeCheckpoint;
    // A sixteenth of what is between two is enough for it to be asked again.
    await load(members[0]!, 50);
    expect(await later).toBeGreaterThan(0);
  }, 60_000);
});

describe('checkpoint()', () => {
  it('makes one at once, of what was executed', async () => {
    await cluster({ checkpoints: { everyBytes: 1024 * MEBIBYTE } });
    await load(members[0]!, 10);
    const { applied } = await members[0]!.replica!.status();
    expect(await members[0]!.replica!.checkpoint()).toBeGreaterThanOrEqual(applied);
  });

  it('waits for the last piece before it executes more, where the state machine asks for that', async () => {
    await cluster({}, () => new Counter(false));
    await load(members[0]!, 10);
    await untilEqual();
    const { machine, replica } = members[0]!;
    let giveLast = (): void => {};
    const isAsked = new Promise<void>((resolve) => {
      machine.takeCheckpoint = async function* () {
        yield Buffer.from('{"count":');
        const last = new Promise<void>((give) => {
          giveLast = give;
        });
        resolve();
        await last;
        yield Buffer.from(`${machine.count},"recent":[]}`);
      } as unknown as Counter['takeCheckpoint'];
    });
    const before = machine.count;
    const made = replica!.checkpoint();
    const result = replica!.replicate(bytesOf('later'));
    await isAsked;
    // The others execute it, so it is chosen; this one stands still.
    await until('the others have executed it', () =>
      members.slice(1).every((member) => member.machine.count === before + 1),
    );
    await until(
      'it is chosen here',
      async () => (await replica!.status()).chosen > (await replica!.status()).applied,
    );
    expect(machine.count).toBe(before);
    giveLast();
    await made;
    expect(await result).toBe(before + 1);
  }, 60_000);

  it('rejects where the state machine has none, and where it throws, and the replica goes on', async () => {
    const machine = new Counter(true);
    await cluster({}, () => machine);
    machine.takeCheckpoint = () => {
      throw new Error('not today');
    };
    await load(members[0]!, 1);
    await expect(members[0]!.replica!.checkpoint()).rejects.toMatchObject({
      code: 'ERR_SYNOD_STATE_MACHINE',
    });
    await load(members[0]!, 1);
    machine.takeCheckpoint = function* () {
      yield Buffer.from('x');
      throw new Error('in the middle');
    };
    await expect(members[0]!.replica!.checkpoint()).rejects.toMatchObject({
      code: 'ERR_SYNOD_STATE_MACHINE',
    });
    await load(members[0]!, 1);
    await members[0]!.replica!.close();
    await expect(members[0]!.replica!.checkpoint()).rejects.toBeInstanceOf(SynodError);
  });
});

describe('a cookie of 8 KiB', () => {
  it('outlives a restart from a checkpoint, and comes with one that is copied', async () => {
    const cookie = Buffer.alloc(8192, 0xa7);
    const { open, close, folder } = await cluster({ checkpoints: { everyBytes: 2 * MEBIBYTE, retain: 1 } });
    await load(members[0]!, 1);
    const [leaver] = members.filter(({ replica }) => replica!.role !== 'primary');
    await close(leaver!);
    const { replica: primary } = members.find(({ replica }) => replica?.role === 'primary')!;
    const { members: set } = primary!.configuration!;
    await expect(primary!.changeConfiguration(set, { cookie: Buffer.alloc(8193) })).rejects.toMatchObject({
      code: 'ERR_SYNOD_ARGUMENT',
    });
    expect(await primary!.changeConfiguration(set, { cookie })).toBe(2);
    const stayed = members.find(({ replica }) => replica !== null)!;
    await load(stayed, 900);
    // Lost, with its disk: it can only get the set with the checkpoint.
    rmSync(path.dirname(folder(leaver!, 'log')), { recursive: true });
    await open(leaver!);
    await until('a checkpoint is copied', () => leaver!.copied.length > 0);
    await until('it is a member again', () => leaver!.replica!.role === 'secondary');
    const set3 = leaver!.replica!.configuration!;
    expect(Buffer.from(set3.cookie!).equals(cookie)).toBe(true);
    await leaver!.replica!.checkpoint();
    await close(leaver!);
    await open(leaver!);
    await until('it is back', () => leaver!.replica!.configuration !== null);
    expect(leaver!.machine.restores).toBe(1);
    expect(Buffer.from(leaver!.replica!.configuration!.cookie!).equals(cookie)).toBe(true);
  }, 60_000);
});
