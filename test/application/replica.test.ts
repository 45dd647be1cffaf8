/**
 * Aim: what `Replica` promises to those who hold one: results, their order, limits, errors with codes, and that every
 * promise settles. Method: one member or three in this process, on memory; both engines.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Replica, type SynodError } from '../../src/index.js';
import { setup as buildIfStale } from '../built.setup.js';
import {
  bytesOf,
  closeAll,
  codeOf,
  type Member,
  openCluster,
  Recorder,
  silentLogger,
  until,
} from './support.js';

afterEach(closeAll);

// The worker runs compiled code.
buildIfStale();

describe.each(['inline', 'worker'] as const)('a replica that is alone, engine %s', (engine) => {
  let replica: Replica<string>;
  let stateMachine: Recorder;

  beforeEach(async () => {
    [{ replica, stateMachine }] = (await openCluster(1, {
      engine,
      limits: { outstandingBytesMax: 300_000 },
    })) as [Member];
  });

  it('resolves with what its state machine replies, in the order of the calls', async () => {
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, index) => replica.replicate(bytesOf(`c${index}`))),
    );
    expect(results).toEqual(Array.from({ length: 500 }, (_, index) => `${index + 1}:c${index}`));
    expect(stateMachine.commands).toEqual(Array.from({ length: 500 }, (_, index) => `c${index}`));
    expect(stateMachine.slots).toEqual([...stateMachine.slots].sort((a, b) => a - b));
    expect(new Set(stateMachine.slots).size).toBe(stateMachine.slots.length);
  });

  it('copies the bytes before the call returns', async () => {
    const command = bytesOf('before');
    const result = replica.replicate(command);
    command.fill(0);
    expect(await result).toBe('1:before');
  });

  it('resolves with undefined where the state machine does not reply', async () => {
    stateMachine.mute = 'silent';
    expect(
      await Promise.all([replica.replicate(bytesOf('silent')), replica.replicate(bytesOf('loud'))]),
    ).toEqual([undefined, '2:loud']);
  });

  it('takes commands of no bytes, and of the greatest size', async () => {
    const { commandBytesMax } = { commandBytesMax: (1024 * 1024) / 4 };
    const great = 'g'.repeat(commandBytesMax);
    expect(await replica.replicate(new Uint8Array(0))).toBe('1:');
    expect(await replica.replicate(bytesOf(great))).toBe(`2:${great}`);
    expect(await codeOf(replica.replicate(new Uint8Array(commandBytesMax + 1)))).toBe(
      'ERR_SYNOD_ARGUMENT not-applied',
    );
  });

  it.each([
    undefined,
    null,
    'text',
    5,
    [1],
    new ArrayBuffer(3),
    new Uint16Array(2),
    new DataView(new ArrayBuffer(1)),
  ])('refuses a command that is no Uint8Array: %s', async (command) => {
    expect(await codeOf(replica.replicate(command as never))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await replica.replicate(bytesOf('next'))).toBe('1:next');
  });

  it.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5'])(
    'refuses timeoutMs %s',
    async (timeoutMs) => {
      expect(await codeOf(replica.replicate(bytesOf('x'), { timeoutMs: timeoutMs as number }))).toBe(
        'ERR_SYNOD_ARGUMENT not-applied',
      );
    },
  );

  it.each([null, 5, {}])('refuses the signal %s', async (signal) => {
    expect(await codeOf(replica.replicate(bytesOf('x'), { signal: signal as never }))).toBe(
      'ERR_SYNOD_ARGUMENT not-applied',
    );
    expect((await replica.status()).outstandingBytes).toBe(0);
  });

  it('accepts views of shared memory, and parts of greater buffers', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
    shared.set(bytesOf('abc'));
    expect(await replica.replicate(shared)).toBe('1:abc');
    expect(await replica.replicate(Buffer.from('xxpartxx').subarray(2, 6))).toBe('2:part');
  });

  it('refuses with Overloaded beyond the bound, and takes commands again when some are done', async () => {
    const command = new Uint8Array(99_000).fill(65);
    const results = [replica.replicate(command), replica.replicate(command), replica.replicate(command)];
    expect(await codeOf(replica.replicate(command))).toBe('ERR_SYNOD_OVERLOADED not-applied');
    await Promise.all(results);
    expect((await replica.status()).outstandingBytes).toBe(0);
    expect(await codeOf(replica.replicate(command))).toBe('resolved');
    expect(stateMachine.commands.length).toBe(4);
  });

  it('bounds commands of no bytes too', async () => {
    const empty = new Uint8Array(0);
    const pending: Promise<unknown>[] = [];
    let refusal = '';
    for (let index = 0; index < 200_000 && refusal === ''; index += 1) {
      const result = replica.replicate(empty);
      pending.push(result);
      if (index % 1000 === 0) {
        // Refusals are there at once, results are not.
        await Promise.race([result, Promise.resolve()]).catch((error: SynodError) => {
          refusal = error.code;
        });
      }
      result.catch(() => {});
    }
    expect(refusal).toBe('ERR_SYNOD_OVERLOADED');
    const outcomes = await Promise.allSettled(pending);
    expect(outcomes[0]!.status).toBe('fulfilled');
  });

  it('gives up waiting at a signal', async () => {
    const reason = new Error('enough');
    expect(await codeOf(replica.replicate(bytesOf('never'), { signal: AbortSignal.abort(reason) }))).toBe(
      'ERR_SYNOD_ABORTED not-applied',
    );
    const controller = new AbortController();
    const aborted = replica.replicate(bytesOf('perhaps'), { signal: controller.signal });
    controller.abort(reason);
    await expect(aborted).rejects.toMatchObject({
      code: 'ERR_SYNOD_ABORTED',
      outcome: 'unknown',
      cause: reason,
    });
    expect(await replica.replicate(bytesOf('next'))).toBe('2:next');
    expect(stateMachine.commands).toEqual(['perhaps', 'next']);
  });

  it('leaves nothing on a signal whose calls have results', async () => {
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, 'addEventListener');
    const remove = vi.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 20 }, () => replica.replicate(bytesOf('x'), { signal })));
    // All share one, or Node.js warns of a leak.
    expect(add).toHaveBeenCalledTimes(1);
    expect(remove).toHaveBeenCalledTimes(1);
  });

  it('has results within timeoutMs', async () => {
    expect(await replica.replicate(bytesOf('x'), { timeoutMs: 10_000 })).toBe('1:x');
  });

  it('tells its status', async () => {
    await replica.replicate(bytesOf('x'));
    expect(await replica.status()).toEqual({
      alerts: [],
      replica: 'a',
      role: 'primary',
      primary: 'a',
      ballot: '1.1',
      configuration: 1,
      version: { inForce: 1, min: 1, max: 1 },
      chosen: 1,
      applied: 1,
      stateDigest: '1',
      storage: { kind: 'memory', reason: expect.stringContaining('VOLATILE'), durable: false },
      transport: { kind: 'tcp', reason: expect.any(String) },
      peers: [],
      bytesCopied: expect.any(Number),
      bytesLogged: expect.any(Number),
      persists: expect.any(Number),
      outstandingBytes: 0,
    });
    expect(replica.role).toBe('primary');
    expect(replica.primary).toBe('a');
  });

  it('goes by the version of the protocol that its build speaks, and by no other', async () => {
    await replica.replicate(bytesOf('x'));
    expect(await replica.raiseProtocolVersion()).toBe(1);
    expect(replica.configuration!.version).toBe(1);
    const wanted = (version: unknown): Promise<number> =>
      replica.raiseProtocolVersion({ version: version as number });
    await expect(wanted(2)).rejects.toMatchObject({
      code: 'ERR_SYNOD_VERSION',
      outcome: 'not-applied',
      message: 'that version of the protocol is not spoken by a',
    });
    for (const wrong of [0, -1, 1.5, '2', null, Number.NaN])
      await expect(wanted(wrong)).rejects.toMatchObject({ code: 'ERR_SYNOD_ARGUMENT' });
    await expect(replica.raiseProtocolVersion(null as never)).rejects.toMatchObject({
      code: 'ERR_SYNOD_ARGUMENT',
    });
    await replica.close();
    await expect(wanted(1)).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED', outcome: 'not-applied' });
  });

  it('closes once, however often it is asked to, and settles everything', async () => {
    await replica.replicate(bytesOf('first'));
    const pending = Array.from({ length: 100 }, (_, index) =>
      codeOf(replica.replicate(bytesOf(`p${index}`))),
    );
    const closing = replica.close();
    expect(replica.close()).toBe(closing);
    expect(await codeOf(replica.replicate(bytesOf('late')))).toBe('ERR_SYNOD_CLOSED not-applied');
    await closing;
    await replica[Symbol.asyncDispose]();
    const codes = new Set(await Promise.all(pending));
    for (const code of codes) expect(['resolved', 'ERR_SYNOD_CLOSED unknown']).toContain(code);
    expect([replica.role, replica.primary]).toEqual(['inactive', null]);
    expect(await codeOf(replica.status())).toBe('ERR_SYNOD_CLOSED');
    expect(await codeOf(replica.replicate(bytesOf('later')))).toBe('ERR_SYNOD_CLOSED not-applied');
  });

  it('is fenced by a state machine that throws', async () => {
    stateMachine.poison = 'poison';
    const fenced = new Promise<SynodError>((resolve) => replica.once('fenced', resolve));
    const results = ['good', 'poison', 'behind'].map((text) => codeOf(replica.replicate(bytesOf(text))));
    const error = await fenced;
    expect(error).toMatchObject({
      code: 'ERR_SYNOD_STATE_MACHINE',
      cause: { message: 'poisoned by poison' },
    });
    const codes = await Promise.all(results);
    expect(codes.slice(1)).toEqual(['ERR_SYNOD_FENCED unknown', 'ERR_SYNOD_FENCED unknown']);
    expect(await codeOf(replica.replicate(bytesOf('late')))).toBe('ERR_SYNOD_FENCED not-applied');
    await expect(replica.replicate(bytesOf('late'))).rejects.toMatchObject({ cause: error });
    await replica.close();
  });

  it('does not mind a listener that throws: it is the application that hears of it', async () => {
    const heard = new Promise<Error>((resolve) => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    replica.on('fenced', () => {
      throw new Error('thrown by the listener');
    });
    stateMachine.poison = 'poison';
    expect(await codeOf(replica.replicate(bytesOf('poison')))).toBe('ERR_SYNOD_FENCED unknown');
    expect((await heard).message).toBe('thrown by the listener');
    await replica.close();
  });

  it('may be called from within apply and from within a result', async () => {
    const apply = stateMachine.apply.bind(stateMachine);
    const inner: Promise<unknown>[] = [];
    stateMachine.apply = (decree) => {
      apply(decree);
      if (inner.length < 5) inner.push(replica.replicate(bytesOf(`inner${inner.length}`)));
    };
    await replica.replicate(bytesOf('outer')).then(() => replica.replicate(bytesOf('then')));
    await until('inner commands', () => inner.length === 5);
    await Promise.all(inner);
    expect(new Set(stateMachine.commands)).toEqual(
      new Set(['outer', 'then', 'inner0', 'inner1', 'inner2', 'inner3', 'inner4']),
    );
  });
});

describe('the engine of a thread of its own', () => {
  it('is heard in the middle of a call only of memory: listeners, and what they call, come in a later turn, in order', async () => {
    // No decree fits behind the first records of a segment: what is lent lies in the next one, of which the application must hear first.
    const limits = { decreeBytesMax: 1024 * 1024 - 24 * 1024, commandBytesMax: 64 * 1024 };
    const dataDir = mkdtempSync(path.join(tmpdir(), 'synod-heard-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const storage = { kind: 'file', segmentBytes: 1024 * 1024 } as const;
    const [{ replica, stateMachine }] = (await openCluster(1, {
      ...{ engine: 'worker', limits, dataDir, storage },
    })) as [Member];
    const heard: string[] = [];
    const inner: Promise<unknown>[] = [];
    replica.on('role', ({ role }) => heard.push(role));
    replica.on('primary', () => {
      heard.push('leads');
      inner.push(replica.replicate(bytesOf('inner')));
    });
    // The application's loop stands still until the engine has lent it memory that it was not told of yet.
    while (replica.statistics().counters.timesPrimary === 0);
    const end = performance.now() + 200;
    while (performance.now() < end);
    const outer = replica.replicate(bytesOf('outer'));
    expect(heard, 'nothing within the call').toEqual([]);
    expect(await outer).toMatch(/:outer$/);
    expect(heard.slice(-2)).toEqual(['primary', 'leads']);
    await Promise.all(inner);
    expect(new Set(stateMachine.commands)).toEqual(new Set(['outer', 'inner']));
  });
});

describe('opening', () => {
  const options = {
    cluster: 'here',
    replica: 'a',
    members: [{ id: 'a', address: '127.0.0.1:1' }],
    storage: { kind: 'memory' },
    engine: 'inline',
    logger: silentLogger,
  } as const;

  it.each(['inline', 'worker'] as const)(
    'rejects with the code of what is wrong, engine %s',
    async (engine) => {
      expect(await codeOf(Replica.open({ ...options, engine, cluster: '' }, new Recorder()))).toBe(
        'ERR_SYNOD_OPTION',
      );
      // An address of nobody here.
      const foreign = { ...options, engine, listen: '203.0.113.1:7000', transport: { kind: 'tcp' } } as const;
      expect(await codeOf(Replica.open(foreign, new Recorder()))).toBe('ERR_SYNOD_LISTEN');
      const missing = {
        ...options,
        engine,
        storage: { kind: 'pmem' },
        dataDir: '/tmp/synod-not-dax',
      } as const;
      expect(['ERR_SYNOD_STORAGE_UNAVAILABLE', 'ERR_SYNOD_NATIVE_UNAVAILABLE']).toContain(
        await codeOf(Replica.open(missing, new Recorder())),
      );
    },
  );
});
