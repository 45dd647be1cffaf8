/**
 * Aim: a replica copies the newest checkpoint of a peer when it is asked to, keeps it like its own, and says what came of it, whatever
 * that is; what is executed meanwhile goes on.
 */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Decree, ReplicaOptions, StateMachine } from '../../src/index.js';
import { Replica } from '../../src/index.js';
import { bytesOf, codeOf, freePorts, silentLogger, until } from './support.js';

const MEBIBYTE = 1024 * 1024;

class Counter implements StateMachine<number> {
  count = 0;
  restores = 0;
  /** Checkpoints that it was asked for. */
  asked = 0;
  ballast = 0;
  readonly appliesDuringCheckpoint = true;

  apply(decree: Decree<number>): void {
    for (let index = 0; index < decree.count; index += 1) {
      this.count += 1;
      decree.reply(index, this.count);
    }
  }

  digest(): string {
    return `${this.count}`;
  }

  *takeCheckpoint(): Iterable<Uint8Array> {
    this.asked += 1;
    yield bytesOf(`${this.count}`.padEnd(16));
    for (let left = this.ballast; left > 0; left -= MEBIBYTE)
      yield Buffer.alloc(Math.min(left, MEBIBYTE), ' ');
  }

  async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of state) pieces.push(piece);
    this.count = Number(Buffer.concat(pieces).toString('latin1', 0, 16));
    this.restores += 1;
  }
}

interface Member {
  readonly id: string;
  readonly machine: Counter;
  readonly replica: Replica<number>;
  readonly files: () => string[];
  readonly reopen: () => Promise<Member>;
}

const roots: string[] = [];
const opened: Replica<number>[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

async function cluster(
  options: Partial<ReplicaOptions> = {},
  machineOf: () => StateMachine<number> = () => new Counter(),
): Promise<readonly [Member, Member, Member]> {
  const root = mkdtempSync(path.join(tmpdir(), 'synod-copies-'));
  roots.push(root);
  const ports = await freePorts(3);
  const members = ['a', 'b', 'c'].map((id, index) => ({ id, address: `127.0.0.1:${ports[index]}` }));
  const open = async (id: string): Promise<Member> => {
    const machine = machineOf();
    const replica = await Replica.open(
      {
        cluster: 'here',
        replica: id,
        members,
        dataDir: path.join(root, id),
        storage: { kind: 'file', segmentBytes: MEBIBYTE },
        transport: { kind: 'tcp' },
        engine: 'inline',
        checkpoints: { everyBytes: 1024 * MEBIBYTE, retain: 2 },
        logger: silentLogger,
        ...options,
      },
      machine,
    );
    opened.push(replica);
    return {
      ...{ id, machine: machine as Counter, replica },
      files: () => readdirSync(path.join(root, id, 'checkpoints')).sort(),
      reopen: async () => {
        await replica.close();
        return await open(id);
      },
    };
  };
  return (await Promise.all(members.map(({ id }) => open(id)))) as unknown as [Member, Member, Member];
}

async function write(member: Member, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) await member.replica.replicate(bytesOf('x'));
}

describe('copyCheckpoint()', () => {
  it('copies the newest one of a peer, keeps it, and starts from it', async () => {
    const [a, b] = await cluster();
    await write(a, 5);
    await until('b has executed all', () => b.machine.count === 5);
    const slot = await b.replica.checkpoint();
    const told: unknown[] = [];
    a.replica.on('checkpoint', (checkpoint) => told.push(checkpoint));
    const copy = await a.replica.copyCheckpoint({ from: 'b' });
    expect(copy).toEqual({ slot, bytes: expect.any(Number), from: 'b' });
    expect(told).toEqual([{ slot, bytes: copy.bytes, source: 'copied' }]);
    expect(a.files()).toEqual(b.files());
    // Its own state machine was neither asked for a checkpoint nor given another state.
    expect([a.machine.asked, a.machine.restores]).toEqual([0, 0]);
    expect(await a.replica.checkpoint()).toBe(slot);
    const again = await a.reopen();
    expect(again.machine.restores).toBe(1);
    expect(await again.replica.replicate(bytesOf('x'))).toBe(6);
  });

  it('finds a peer that has one by itself, and lets it be where there is one as new here', async () => {
    const [a, b, c] = await cluster();
    await write(a, 3);
    const slot = await c.replica.checkpoint();
    const copy = await a.replica.copyCheckpoint();
    expect(copy).toMatchObject({ slot, from: 'c' });
    expect(await a.replica.copyCheckpoint()).toEqual({ ...copy, from: null });
    expect(await c.replica.copyCheckpoint({ from: 'a' })).toEqual({ ...copy, from: null });
    expect(await b.replica.copyCheckpoint()).toMatchObject({ slot });
  });

  it('says that a peer has none, and that nobody has', async () => {
    const [a] = await cluster();
    await write(a, 1);
    expect(await codeOf(a.replica.copyCheckpoint({ from: 'b' }))).toBe('ERR_SYNOD_NO_CHECKPOINT');
    expect(await codeOf(a.replica.copyCheckpoint())).toBe('ERR_SYNOD_NO_CHECKPOINT');
  });

  it('says that a peer is not there', async () => {
    const [a, b] = await cluster();
    await write(a, 1);
    await b.replica.close();
    await until('b is gone', async () => (await a.replica.status()).peers[0]!.connected === false);
    for (const from of ['b', 'nobody'])
      await expect(a.replica.copyCheckpoint({ from })).rejects.toMatchObject({
        code: 'ERR_SYNOD_NOT_COPIED',
        message: `"${from}": not connected`,
      });
  });

  it('copies one at a time, while commands go on; keeps as many as options say', async () => {
    const [a, b] = await cluster();
    b.machine.ballast = 8 * MEBIBYTE;
    let slot = 0;
    for (let round = 0; round < 3; round += 1) {
      await write(a, 1);
      await until('b has executed it', () => b.machine.count > round);
      slot = await b.replica.checkpoint();
      const [copy, second] = await Promise.all([
        a.replica.copyCheckpoint({ from: 'b' }),
        codeOf(a.replica.copyCheckpoint({ from: 'c' })),
        write(a, 5),
      ]);
      expect(copy.slot).toBe(slot);
      expect(second).toBe('ERR_SYNOD_NOT_COPIED');
    }
    await until('two are left', () => a.files().length === 2);
    expect(a.files()).toEqual(b.files());
  });

  it('is given up by its caller, and leaves nothing unfinished', async () => {
    const [a, b] = await cluster({ limits: { checkpointBytesPerSecondMax: 256 * 1024 } });
    b.machine.ballast = 4 * MEBIBYTE;
    await write(a, 1);
    await until('b has executed it', () => b.machine.count === 1);
    await b.replica.checkpoint();
    const controller = new AbortController();
    const copying = codeOf(a.replica.copyCheckpoint({ from: 'b', signal: controller.signal }));
    await until('it has begun', () => a.files().length === 1);
    controller.abort();
    expect(await copying).toBe('ERR_SYNOD_ABORTED');
    await until('nothing is left', () => a.files().length === 0);
    expect(await codeOf(a.replica.copyCheckpoint({ from: 'b', timeoutMs: 50 }))).toBe('ERR_SYNOD_TIMEOUT');
    const [again] = await Promise.all([codeOf(a.replica.copyCheckpoint({ from: 'b' })), a.replica.close()]);
    expect(again).toBe('ERR_SYNOD_CLOSED');
  });

  it('refuses what cannot be meant, and where none are kept', async () => {
    const [a] = await cluster();
    for (const wrong of [{ from: 'a' }, { from: 7 }, { timeoutMs: 0 }, { signal: 1 }])
      expect(await codeOf(a.replica.copyCheckpoint(wrong as never))).toMatch(/^ERR_SYNOD_ARGUMENT/);
    const aborted = { signal: AbortSignal.abort() };
    expect(await codeOf(a.replica.copyCheckpoint(aborted))).toMatch(/^ERR_SYNOD_ABORTED/);
    const [plain] = await cluster({}, () => ({ apply() {} }));
    expect(await codeOf(plain.replica.copyCheckpoint())).toBe('ERR_SYNOD_STATE_MACHINE');
    await plain.replica.close();
    expect(await codeOf(plain.replica.copyCheckpoint())).toBe('ERR_SYNOD_CLOSED');
  });

  it('works from a worker thread too', async () => {
    const [a, b] = await cluster({ engine: 'worker' });
    await write(a, 2);
    await until('b has executed all', () => b.machine.count === 2);
    const slot = await b.replica.checkpoint();
    expect(await a.replica.copyCheckpoint()).toMatchObject({ slot, from: 'b' });
    expect(await codeOf(b.replica.copyCheckpoint({ from: 'c' }))).toBe('ERR_SYNOD_NO_CHECKPOINT');
  });
});
