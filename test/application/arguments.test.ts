/**
 * Aim: what a caller gives that cannot be used gets a typed error, also where it has no text; and what is thrown at the
 * library by a logger, or by a state machine that restores nothing, has no other consequence. Method: one member in this
 * process.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Decree,
  type Logger,
  Replica,
  type ReplicaOptions,
  type StateMachine,
} from '../../src/index.js';
import { setup as buildIfStale } from '../built.setup.js';
import {
  bytesOf,
  closeAll,
  codeOf,
  freePorts,
  type Member,
  openCluster,
  silentLogger,
  uncaughtDuring,
} from './support.js';

// The worker runs compiled code.
buildIfStale();
afterEach(closeAll);

describe('options that are null, or a number,', () => {
  const address = '127.0.0.1:1';
  const firsts: Readonly<Record<string, readonly unknown[]>> = {
    replicate: [bytesOf('a')],
    replicateBatch: [[bytesOf('a')]],
    read: ['count'],
    bootstrap: [[{ id: 'a', address }]],
    changeConfiguration: [[{ id: 'a', address }]],
    promote: [],
    relinquish: [],
    copyCheckpoint: [],
    raiseProtocolVersion: [],
  };
  it.each(Object.keys(firsts))('are refused by %s', async (name) => {
    const [{ replica }] = (await openCluster(1)) as [Member];
    const call = (replica as unknown as Record<string, (...all: unknown[]) => Promise<unknown>>)[name]!;
    for (const options of [null, 5]) {
      const told = await codeOf(call.call(replica, ...firsts[name]!, options));
      expect(told).toBe('ERR_SYNOD_ARGUMENT not-applied');
    }
    expect(await codeOf(replica.replicate(bytesOf('b')))).toBe('resolved');
  });
});

it('an option that a call does not have is refused, by its name, and nothing comes of the call', async () => {
  const [{ replica }] = (await openCluster(1)) as [Member];
  const members = [{ id: 'a', address: '127.0.0.1:1' }];
  const calls: [string, (options: object) => Promise<unknown>, object][] = [
    [
      'timeout: no such option, there is signal, timeoutMs',
      (o) => replica.replicate(bytesOf('a'), o),
      { timeout: 5 },
    ],
    ['context: no such option', (o) => replica.replicateBatch([bytesOf('a')], o), { context: 1 }],
    ['maxAgeMs: no such option', (o) => replica.read('count', o), { maxAgeMs: 5 }],
    ['signal: no such option, there is timeoutMs', (o) => replica.bootstrap(members, o), { signal: null }],
    ['forec: no such option', (o) => replica.changeConfiguration(members, o), { forec: true }],
    ['force: no such option, there is evenIfBehind', (o) => replica.promote(o), { force: true }],
    ['id: no such option, there is to', (o) => replica.relinquish(o), { id: 'a' }],
    ['peer: no such option', (o) => replica.copyCheckpoint(o), { peer: 'b' }],
    ['number: no such option, there is version', (o) => replica.raiseProtocolVersion(o), { number: 2 }],
    ['"a\\nb": no such option', (o) => replica.promote(o), { 'a\nb': 1 }],
  ];
  for (const [message, call, options] of calls)
    await expect(call(options), message).rejects.toMatchObject({
      code: 'ERR_SYNOD_ARGUMENT',
      outcome: 'not-applied',
      message: expect.stringContaining(message),
    });
  await replica.replicate(bytesOf('b'));
  expect(replica.configuration?.number).toBe(1);
});

it.each([Symbol('none'), Object.create(null)])(
  'a timeoutMs that has no text is refused',
  async (timeoutMs) => {
    const [{ replica }] = (await openCluster(1)) as [Member];
    const told = await codeOf(replica.replicate(bytesOf('a'), { timeoutMs }));
    expect(told).toBe('ERR_SYNOD_ARGUMENT not-applied');
  },
);

describe('on files', () => {
  let folder: string;
  let port: number;
  let opened: Replica<number>[];
  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'synod-arguments-'));
    [port] = (await freePorts(1)) as [number];
    opened = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((replica) => replica.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  class Count implements StateMachine<number> {
    count = 0;
    refusal: { readonly with: unknown } | null = null;
    apply(decree: Decree<number>): void {
      for (let index = 0; index < decree.count; index += 1) decree.reply(index, ++this.count);
    }
    takeCheckpoint(): Iterable<Uint8Array> {
      return [Uint8Array.of(this.count)];
    }
    async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
      for await (const [count] of state) this.count = count!;
      if (this.refusal !== null) throw this.refusal.with;
    }
  }

  async function open(machine: StateMachine<number>, more: Partial<ReplicaOptions> = {}) {
    const replica = await Replica.open(
      {
        ...{ cluster: 'here', replica: 'a', dataDir: folder, engine: 'inline', logger: silentLogger },
        members: [{ id: 'a', address: `127.0.0.1:${port}` }],
        storage: { kind: 'file', segmentBytes: 1024 * 1024 },
        transport: { kind: 'tcp' },
        ...more,
      },
      machine,
    );
    opened.push(replica);
    return replica;
  }

  it.each([null, undefined, {}])('a state machine that is none is refused: %s', async (machine) => {
    expect(await codeOf(open(machine as never))).toBe('ERR_SYNOD_ARGUMENT');
  });

  it.each([null, undefined, 'text'])('restore that rejects with %s has restored nothing', async (cause) => {
    const first = await open(new Count());
    await first.replicate(bytesOf('a'));
    await first.checkpoint();
    await first.close();
    const machine = new Count();
    machine.refusal = { with: cause };
    expect(await codeOf(open(machine))).toBe('ERR_SYNOD_STATE_MACHINE');
  });

  it.each(['inline', 'worker'] as const)('a logger that throws ends nothing, engine %s', async (engine) => {
    let isBroken = false;
    let calls = 0;
    const log = (): void => {
      calls += 1;
      if (isBroken) throw new Error('the disk of the log is full');
    };
    const logger: Logger = { trace: log, debug: log, info: log, warn: log, error: log, fatal: log };
    const told: string[] = [];
    const caught = await uncaughtDuring(async () => {
      const replica = await open(new Count(), { engine, logger });
      await replica.replicate(bytesOf('a'));
      isBroken = true;
      const before = calls;
      told.push(await codeOf(replica.checkpoint()));
      expect(calls).toBeGreaterThan(before);
      told.push(await codeOf(replica.replicate(bytesOf('b'))));
      told.push(await codeOf(replica.close()));
    });
    expect(told).toEqual(['resolved', 'resolved', 'resolved']);
    expect(caught).toEqual([]);
  });
});
