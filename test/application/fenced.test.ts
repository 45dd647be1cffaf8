/**
 * Aim: on a replica that is fenced no call waits for ever, whether it was made before or after the fault, and nobody is told that it leads.
 * Method: one member in this process, on files, whose state machine throws; both engines.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Decree, Replica, type StateMachine, type SynodError } from '../../src/index.js';
import { setup as buildIfStale } from '../built.setup.js';
import { bytesOf, codeOf, freePorts, silentLogger, uncaughtDuring, until } from './support.js';

// The worker runs compiled code.
buildIfStale();

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });

/** Throws what it is told to, at any command but `fine`. */
class Thrower implements StateMachine<string> {
  thrown: unknown = new Error('poisoned');
  isSound = false;
  executed = 0;
  beforeThrowing: () => void = () => {};
  readonly appliesDuringCheckpoint = true;

  apply(decree: Decree<string>): void {
    this.executed += 1;
    if (!this.isSound && Buffer.from(decree.command(0)).toString() !== 'fine') {
      this.beforeThrowing();
      throw this.thrown;
    }
    decree.reply(0, 'done');
  }

  /** Tells too what was begun and thrown at. */
  digest(): string {
    return `${this.executed}`;
  }

  /** Never ends by itself. */
  async *takeCheckpoint(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    await new Promise(() => {});
  }
  async restore(): Promise<void> {}
}

describe.each(['inline', 'worker'] as const)('a fenced replica, engine %s', (engine) => {
  let folder = '';
  let machine: Thrower;
  let replica: Replica<string>;
  let members: { id: string; address: string }[];
  let port: number;

  const open = (one: Thrower): Promise<Replica<string>> =>
    Replica.open(
      {
        ...{ cluster: 'here', replica: 'a', members, dataDir: folder, engine, logger: silentLogger },
        storage: { kind: 'file', segmentBytes: 1024 * 1024 },
        transport: { kind: 'tcp' },
      },
      one,
    );

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'synod-fenced-'));
    [port] = (await freePorts(1)) as [number];
    members = [{ id: 'a', address: `127.0.0.1:${port}` }];
    machine = new Thrower();
    replica = await open(machine);
    await replica.replicate(bytesOf('fine'));
  });
  afterEach(async () => {
    await replica.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const fence = (): Promise<string> => codeOf(replica.replicate(bytesOf('poison')));

  it('rejects what waited when the fault came, and its cause is the fault', async () => {
    const fenced = new Promise<SynodError>((resolve) => replica.once('fenced', resolve));
    const checkpoint = replica.checkpoint();
    let relinquished: Promise<unknown> = Promise.resolve();
    let bootstrapped: Promise<unknown> = Promise.resolve();
    let copied: Promise<unknown> = Promise.resolve();
    let changed: Promise<unknown> = Promise.resolve();
    // The engine hears of none of them before the fault.
    machine.beforeThrowing = () => {
      relinquished = replica.relinquish();
      bootstrapped = replica.bootstrap(members);
      copied = replica.copyCheckpoint();
      changed = replica.changeConfiguration(members);
      for (const one of [relinquished, bootstrapped, copied, changed]) one.catch(() => {});
    };
    checkpoint.catch(() => {});
    expect(await fence()).toBe('ERR_SYNOD_FENCED unknown');
    expect(await codeOf(checkpoint)).toBe('ERR_SYNOD_FENCED');
    await expect(checkpoint).rejects.toMatchObject({ cause: await fenced });
    await Promise.allSettled([relinquished, bootstrapped, copied, changed]);
    // On one thread the engine answers some of them at once.
    if (engine === 'inline') return;
    expect(await codeOf(relinquished)).toBe('ERR_SYNOD_FENCED unknown');
    expect(await codeOf(bootstrapped)).toBe('ERR_SYNOD_FENCED unknown');
    expect(await codeOf(changed)).toBe('ERR_SYNOD_FENCED unknown');
    expect(await codeOf(copied)).toBe('ERR_SYNOD_FENCED');
    await expect(relinquished).rejects.toMatchObject({ cause: await fenced });
  });

  it('rejects what is given to it afterwards', async () => {
    await fence();
    const calls = {
      replicate: replica.replicate(bytesOf('fine')),
      replicateBatch: replica.replicateBatch([bytesOf('fine')]),
      read: replica.read(0),
      promote: replica.promote(),
      relinquish: replica.relinquish(),
      changeConfiguration: replica.changeConfiguration(members),
      raiseProtocolVersion: replica.raiseProtocolVersion(),
      bootstrap: replica.bootstrap(members),
      copyCheckpoint: replica.copyCheckpoint(),
      checkpoint: replica.checkpoint(),
    };
    const codes = await Promise.all(
      Object.entries(calls).map(async ([name, call]) => [name, await codeOf(call)]),
    );
    expect(Object.fromEntries(codes)).toEqual(
      Object.fromEntries(Object.keys(calls).map((name) => [name, 'ERR_SYNOD_FENCED not-applied'])),
    );
    await replica.close();
    expect(await codeOf(replica.promote())).toBe('ERR_SYNOD_CLOSED');
  });

  it('neither leads nor knows of anybody who does, and tells so before it tells of the fault', async () => {
    expect([replica.role, replica.primary]).toEqual(['primary', 'a']);
    const heard: unknown[] = [];
    replica.on('role', ({ role, primary }) => heard.push([role, primary]));
    replica.on('status', ({ isPrimary, isStable }) => heard.push([isPrimary, isStable]));
    replica.on('fenced', () => heard.push(['fenced', replica.role, replica.primary]));
    await fence();
    expect(heard).toEqual([
      ['inactive', null],
      [false, false],
      ['fenced', 'inactive', null],
    ]);
    expect([replica.role, replica.primary]).toEqual(['inactive', null]);
    const { role, primary, chosen } = await replica.status();
    expect({ role, primary, chosen }).toEqual({
      role: 'inactive',
      primary: null,
      chosen: expect.any(Number),
    });
    expect(heard.length).toBe(3);
  });

  it('was fenced also where what the state machine threw has no text', async () => {
    machine.thrown = Object.create(null);
    const fenced = new Promise<SynodError>((resolve) => replica.once('fenced', resolve));
    expect(await fence()).toBe('ERR_SYNOD_FENCED unknown');
    expect(await fenced).toMatchObject({
      code: 'ERR_SYNOD_STATE_MACHINE',
      message: 'the state machine threw at slot 2: [object]',
      cause: machine.thrown,
    });
  });

  it('has no digest: the state is that of no slot', async () => {
    expect((await replica.status()).stateDigest).toBe('1');
    await fence();
    expect(await replica.status()).toMatchObject({ applied: 1, stateDigest: null });
  });

  it('tells each listener, whatever another one throws, and those that come late', async () => {
    const heard: string[] = [];
    const caught = await uncaughtDuring(async () => {
      replica.once('fenced', () => {
        throw new Error('by the first');
      });
      replica.once('fenced', () => heard.push('second'));
      await fence();
      expect(heard).toEqual(['second']);
      replica.once('fenced', () => heard.push('third'));
      replica.on('fenced', () => heard.push('fourth'));
    });
    expect(caught).toEqual(['Error: by the first']);
    expect(heard).toEqual(['second', 'third', 'fourth']);
    expect(replica.listenerCount('fenced')).toBe(1);
  });

  it('while it is opened, by what is in its log, listens no more; whoever opened it is told', async () => {
    machine.isSound = true;
    for (let index = 0; index < 5; index += 1) await replica.replicate(bytesOf('poison'));
    await replica.close();
    machine = new Thrower();
    replica = await open(machine);
    const heard: SynodError[] = [];
    replica.on('fenced', (error) => heard.push(error));
    await until('it is fenced', () => heard.length > 0);
    expect(await codeOf(replica.replicate(bytesOf('fine')))).toBe('ERR_SYNOD_FENCED not-applied');
    await until('its port is closed', async () => !(await answers(port)));
    expect(machine.executed).toBe(2);
    expect(heard).toMatchObject([{ code: 'ERR_SYNOD_STATE_MACHINE', cause: machine.thrown }]);
  });
});
