/**
 * Aim: a checkpoint that is asked for in the middle of anything is one of whole decrees; whoever waits for one is told of one that has all that
 * was executed before; and a data directory that is in use is not touched. Method: one member in this process, on files; a store of the test's own.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApplicationCheckpoints } from '../../src/application/checkpoints.js';
import { crc32c } from '../../src/checksum.js';
import { type Decree, Replica, type StateMachine, type SynodError } from '../../src/index.js';
import type { CheckpointFile, StoredCheckpoint } from '../../src/storage/checkpoint-store.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { bytesOf, codeOf, freePorts, silentLogger, until } from './support.js';

class Texts implements StateMachine<number> {
  texts: string[] = [];
  counts: number[] = [];
  restores = 0;
  /** Called in the middle of a decree, behind the command of this text. */
  onText: (text: string) => void = () => {};
  onDecree: (slot: number) => void = () => {};
  onTake: () => void = () => {};
  takes = 0;
  /** The pieces of a checkpoint wait for it. */
  pieces: Promise<void> = Promise.resolve();
  /** Rejected with by `restore`. */
  refusal: unknown = null;
  readonly appliesDuringCheckpoint = true;

  apply(decree: Decree<number>): void {
    this.counts.push(decree.count);
    for (let index = 0; index < decree.count; index += 1) {
      const text = Buffer.from(decree.command(index)).toString();
      this.texts.push(text);
      this.onText(text);
      decree.reply(index, this.texts.length);
    }
  }

  afterDecree({ slot }: Decree<number>): void {
    this.onDecree(slot);
  }

  takeCheckpoint(): AsyncIterable<Uint8Array> {
    this.takes += 1;
    this.onTake();
    const fixed = Buffer.from(JSON.stringify(this.texts));
    const { pieces } = this;
    return (async function* () {
      await pieces;
      yield fixed;
    })();
  }

  async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
    this.restores += 1;
    if (this.refusal !== null) throw this.refusal;
    const read: Uint8Array[] = [];
    for await (const piece of state) read.push(piece);
    this.texts = JSON.parse(Buffer.concat(read).toString());
  }
}

let folder = '';
let opened: Replica<number>[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'synod-checkpoint-calls-'));
});
afterEach(async () => {
  await Promise.all(opened.map((replica) => replica.close()));
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

async function open(machine: Texts, port: number): Promise<Replica<number>> {
  const replica = await Replica.open(
    {
      ...{ cluster: 'here', replica: 'a', dataDir: folder, engine: 'inline', logger: silentLogger },
      members: [{ id: 'a', address: `127.0.0.1:${port}` }],
      storage: { kind: 'file', segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
    },
    machine,
  );
  opened.push(replica);
  return replica;
}

describe('checkpoint()', () => {
  it('from within apply is of the whole decree: nothing of it is passed over after a restart', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    let made: Promise<number> = Promise.resolve(0);
    machine.onText = (text) => {
      if (text === 'checkpoint') made = replica.checkpoint();
    };
    await replica.replicate(bytesOf('a'));
    await replica.replicateBatch(['b', 'checkpoint', 'c'].map(bytesOf));
    expect(machine.counts, 'all three in one decree').toEqual([1, 3]);
    expect(await made).toBe((await replica.status()).applied);
    await replica.close();
    const again = new Texts();
    const next = await open(again, port);
    expect(again.restores).toBe(1);
    await next.replicate(bytesOf('z'));
    expect(again.texts).toEqual(['a', 'b', 'checkpoint', 'c', 'z']);
  });

  it('has everything that was executed before the call, also where another one was being made by then', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    await replica.replicate(bytesOf('a'));
    let goOn = (): void => {};
    machine.pieces = new Promise((resolve) => {
      goOn = resolve;
    });
    const first = replica.checkpoint();
    await replica.replicate(bytesOf('b'));
    const { applied } = await replica.status();
    const second = replica.checkpoint();
    goOn();
    expect(await first).toBeLessThan(applied);
    expect(await second).toBe(applied);
  });

  it('from within a listener that hears of a change of the members has that change behind it', async () => {
    const [port] = (await freePorts(1)) as [number];
    const replica = await open(new Texts(), port);
    await replica.replicate(bytesOf('a'));
    let made: Promise<number> = Promise.resolve(0);
    replica.on('configuration', () => {
      made = replica.checkpoint();
    });
    const members = [{ id: 'a', address: `127.0.0.1:${port}` }];
    await replica.changeConfiguration(members, { cookie: bytesOf('x') });
    await until('told', () => replica.configuration?.number === 2);
    expect(await made).toBe((await replica.status()).applied);
  });
});

describe('checkpoint() where another one is being made', () => {
  it('has the commands of the decree in whose midst it was called', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    await replica.replicate(bytesOf('a'));
    let goOn = (): void => {};
    machine.pieces = new Promise((resolve) => {
      goOn = resolve;
    });
    const first = replica.checkpoint();
    let second: Promise<number> = Promise.resolve(0);
    let called = 0;
    machine.onDecree = (slot) => {
      called = slot;
      second = replica.checkpoint();
    };
    await replica.replicate(bytesOf('b'));
    goOn();
    expect(await first).toBeLessThan(called);
    expect(await second).toBe(called);
  });
});

describe('a call from within takeCheckpoint', () => {
  it('of checkpoint() waits for the one that is being made', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    await replica.replicate(bytesOf('a'));
    const inner: Promise<number>[] = [];
    machine.onTake = () => {
      // A second one of this slot would call again, and so on.
      if (machine.takes < 5) inner.push(replica.checkpoint());
    };
    const outer = await replica.checkpoint();
    expect(await Promise.all(inner)).toEqual([outer]);
    expect(machine.takes).toBe(1);
  });

  it('of close() is waited for: nothing is written once that has resolved', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    await replica.replicate(bytesOf('a'));
    let goOn = (): void => {};
    machine.pieces = new Promise((resolve) => {
      goOn = resolve;
    });
    let closing: Promise<void> = Promise.resolve();
    machine.onTake = () => {
      closing = replica.close();
    };
    let told = 0;
    replica.on('checkpoint', () => {
      told += 1;
    });
    const asked = codeOf(replica.checkpoint());
    const late = new Promise((resolve) => setTimeout(resolve, 5000, 'still open'));
    const ended = await Promise.race([closing.then(() => 'closed'), late]);
    // Or it is never closed.
    if (ended !== 'closed') goOn();
    expect(ended).toBe('closed');
    expect(await asked).toBe('ERR_SYNOD_CLOSED');
    const files = (): string[] => readdirSync(path.join(folder, 'checkpoints'));
    expect(files()).toEqual([]);
    goOn();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(files()).toEqual([]);
    expect(told).toBe(0);
  });

  it('of close() settles also where it makes none', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    await replica.replicate(bytesOf('a'));
    let closing: Promise<void> = Promise.resolve();
    Object.defineProperty(machine, 'takeCheckpoint', {
      value: () => {
        closing = replica.close();
        return null;
      },
    });
    expect(await codeOf(replica.checkpoint())).toBe('ERR_SYNOD_CLOSED');
    await closing;
  });
});

describe('checkpoint() as the first call of all', () => {
  it('resolves with 0 where nothing was executed yet: there is nothing to keep', async () => {
    const [port] = (await freePorts(1)) as [number];
    const machine = new Texts();
    const replica = await open(machine, port);
    expect(await replica.checkpoint()).toBe(0);
    expect(machine.takes).toBe(0);
  });

  it('has what is in the log', async () => {
    const [port] = (await freePorts(1)) as [number];
    const replica = await open(new Texts(), port);
    await replica.replicate(bytesOf('a'));
    await replica.close();
    const again = await open(new Texts(), port);
    expect(await again.checkpoint()).toBe(1);
  });
});

it('checkpoint() does not look at wantsCheckpoint, which may throw', async () => {
  const [port] = (await freePorts(1)) as [number];
  const machine = new Texts();
  const replica = await open(machine, port);
  await replica.replicate(bytesOf('a'));
  Object.defineProperty(machine, 'wantsCheckpoint', {
    get: () => {
      throw new Error('as asked');
    },
  });
  const asked = codeOf(replica.checkpoint());
  expect(await asked).toMatch(/^(resolved|ERR_SYNOD_FENCED)$/);
});

describe('a data directory that is in use', () => {
  it('keeps what its replica is writing, and is not restored from', async () => {
    const [port, other] = (await freePorts(2)) as [number, number];
    const machine = new Texts();
    const replica = await open(machine, port);
    await replica.replicate(bytesOf('a'));
    await replica.checkpoint();
    await replica.replicate(bytesOf('b'));
    let goOn = (): void => {};
    machine.pieces = new Promise((resolve) => {
      goOn = resolve;
    });
    const made = replica.checkpoint();
    await until('begun', () => existsSync(path.join(folder, 'checkpoints', 'made.checkpoint.new')));
    const second = new Texts();
    expect(await codeOf(open(second, other))).toBe('ERR_SYNOD_DATA_DIRECTORY');
    expect(second.restores).toBe(0);
    goOn();
    expect(await made).toBe(2);
  });

  it('is given back by whoever could not go on from it, and by whoever is closed', async () => {
    const [port] = (await freePorts(1)) as [number];
    const replica = await open(new Texts(), port);
    await replica.replicate(bytesOf('a'));
    await replica.checkpoint();
    await replica.close();
    const refusing = new Texts();
    // It has no text, and cannot be made into one.
    refusing.refusal = Object.create(null);
    const error = await open(refusing, port).catch((refusal: SynodError) => refusal);
    expect(error).toMatchObject({ code: 'ERR_SYNOD_STATE_MACHINE', cause: refusing.refusal });
    const again = new Texts();
    await open(again, port);
    expect(again.texts).toEqual(['a']);
  });
});

/** Files in memory. What is committed has its name once that is let through. */
class Store {
  readonly files = new Map<number, Uint8Array>();
  commits: (() => void)[] = [];

  create(slot: number, _writer: string, callback: (error: null, file: CheckpointFile) => void): void {
    const blocks: Uint8Array[] = [];
    callback(null, {
      get bytes() {
        return Buffer.concat(blocks).length;
      },
      append: (bytes, done) => {
        blocks.push(Uint8Array.from(bytes));
        done(null);
      },
      commit: (done) =>
        void this.commits.push(() => {
          this.files.set(slot, Buffer.concat(blocks));
          done(null);
        }),
      abandon: (done) => void this.commits.push(() => done(null)),
    });
  }
  list(callback: (error: null, found: StoredCheckpoint[]) => void): void {
    const found = [...this.files].map(([slot, { length }]) => ({ slot, bytes: length }));
    callback(
      null,
      found.sort((a, b) => b.slot - a.slot),
    );
  }
  read(slot: number, offset: number, target: Uint8Array, callback: (error: null, count: number) => void) {
    const part = this.files.get(slot)!.subarray(offset, offset + target.length);
    target.set(part);
    callback(null, part.length);
  }
  remove(slot: number): void {
    this.files.delete(slot);
  }
}

describe('who waits for a checkpoint while one is copied to catch up', () => {
  let store: Store;
  let told: (number | string)[];
  let checkpoints: ApplicationCheckpoints;
  let restored: (() => void)[];
  const wait = (error: SynodError | null, slot?: number): void => void told.push(error?.code ?? slot!);
  const letThrough = (): void => {
    for (const commit of store.commits.splice(0)) commit();
  };

  beforeEach(() => {
    store = new Store();
    [told, restored] = [[], []];
    const executor = {
      bytesExecuted: 0,
      sessions: [],
      isPaused: false,
      isExecuting: false,
      slotAtWork: 0,
      restored() {},
    };
    checkpoints = new ApplicationCheckpoints({
      store: store as never,
      policy: { everyBytes: 1e9, everyMs: null, retain: 2 },
      ...{ cluster: 'here', replica: 'a', index: 0, count: 1, crc32c, logger: silentLogger },
      drawNonce: () => [1, 2],
      now: () => 0,
      wallNow: () => 0,
      later: () => {},
      stateMachine: { apply() {}, appliesDuringCheckpoint: true, takeCheckpoint: () => [] } as never,
      executor: executor as never,
      promised: () => 1,
      onNotice: () => {},
      onDurable: () => {},
      onMembers: () => {},
      restoreState: (_, reading, done) =>
        reading.next(() => void restored.push(() => reading.next(() => done(null)))),
      resume: () => {},
      onBroken: (error) => {
        throw error;
      },
    });
    const members = [{ number: 1, id: 'a', incarnation: '1'.repeat(32) }];
    checkpoints.onFirstConfiguration(encodeConfiguration({ number: 1, members, nextMember: 2 }));
  });

  /** A file as a peer sends it. */
  function receive(slot: number): void {
    checkpoints.request(slot, () => {});
    letThrough();
    expect(store.files.has(slot)).toBe(true);
  }

  it('is told of the one that is restored: it has all that was executed before', () => {
    receive(19);
    checkpoints.request(12, wait);
    checkpoints.onCopied(19);
    checkpoints.request(12, wait);
    expect(told).toEqual([]);
    // The disk has answered, and the one that was being made is gone.
    letThrough();
    expect(told).toEqual([]);
    for (const call of restored.splice(0)) call();
    expect(told).toEqual([19, 19]);
  });

  it('is told the same where the disk answers last', () => {
    receive(19);
    checkpoints.request(12, wait);
    checkpoints.onCopied(19);
    for (const call of restored.splice(0)) call();
    expect(told).toEqual([19]);
    letThrough();
    expect(told).toEqual([19]);
  });

  it('is told that the replica is fenced, where that comes first; and none is begun from there on', () => {
    checkpoints.request(12, wait);
    checkpoints.fence(Object.assign(new Error('fenced'), { code: 'ERR_SYNOD_FENCED' }) as never);
    expect(told).toEqual(['ERR_SYNOD_FENCED']);
    letThrough();
    checkpoints.afterDecrees(13);
    expect(store.commits).toEqual([]);
    expect(told).toEqual(['ERR_SYNOD_FENCED']);
  });
});
