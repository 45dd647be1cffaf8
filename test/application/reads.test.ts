/**
 * Aim: `Replica.read` on every replica of a cluster: what each consistency sees, errors with codes, and that every promise settles. Method:
 * three replicas in this process, on memory and real sockets; both engines.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { type ReadOptions, type ReadResult, SynodError } from '../../src/index.js';
import { setup as buildIfStale } from '../built.setup.js';
import { bytesOf, closeAll, type Member, openCluster, until } from './support.js';

afterEach(closeAll);
// The worker runs compiled code.
buildIfStale();

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (SynodError.is(error) ? `${error.code} ${error.outcome}` : String(error)),
  );

describe.each(['inline', 'worker'] as const)('reads, engine %s', (engine) => {
  const count = async ({ replica }: Member, options?: ReadOptions): Promise<number> =>
    ((await replica.read('count', options)) as ReadResult<number>).value;

  it('see on every replica what was answered on another one before', async () => {
    const members = await openCluster(3, { engine });
    for (let index = 1; index <= 60; index += 1) {
      await members[index % 3]!.replica.replicate(bytesOf(`${index}`));
      expect(await count(members[(index + 1) % 3]!)).toBe(index);
      expect(await count(members[(index + 2) % 3]!, { consistency: { maxAgeMs: 0 } })).toBe(index);
    }
  });

  it('share their questions', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('x'));
    for (const member of members) {
      const all = await Promise.all(Array.from({ length: 5000 }, () => count(member)));
      expect(new Set(all)).toEqual(new Set([1]));
    }
    const { chosen } = await members[0]!.replica.status();
    // No read is in the log.
    expect(chosen).toBeLessThan(10);
  });

  it('wait for a token, wherever it comes from', async () => {
    const members = await openCluster(3, { engine });
    for (let index = 1; index <= 30; index += 1) {
      const writer = members[index % 3]!;
      await writer.replica.replicate(bytesOf(`${index}`));
      const reader = members[(index + 1) % 3]!;
      const after = writer.replica.token();
      const { value, token } = (await reader.replica.read('count', {
        consistency: { after },
      })) as ReadResult<number>;
      expect(value).toBeGreaterThanOrEqual(index);
      expect(Number(token.slice(1))).toBeGreaterThanOrEqual(Number(after.slice(1)));
    }
  });

  it('take the age that they may have: nobody is asked again within it', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('1'));
    const old = { consistency: { maxAgeMs: 3_600_000 } };
    expect(await count(members[2]!, old)).toBe(1);
    await Promise.all(members.slice(0, 2).map(({ replica }) => replica.close()));
    // Nobody is there, and nobody needs to be.
    expect(await count(members[2]!, old)).toBe(1);
    expect(await codeOf(count(members[2]!, { consistency: { maxAgeMs: 1 }, timeoutMs: 60 }))).toBe(
      'ERR_SYNOD_TIMEOUT not-applied',
    );
  });

  it('wait, time out and are given up while there is no majority', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    const last = members[2]!;
    expect(await count(last)).toBe(1);
    await Promise.all(members.slice(0, 2).map(({ replica }) => replica.close()));
    const controller = new AbortController();
    const aborted = codeOf(count(last, { signal: controller.signal, timeoutMs: 60_000 }));
    const waiting = codeOf(count(last));
    const far = codeOf(count(last, { consistency: { after: 's9007199254740991' } }));
    expect(await codeOf(count(last, { timeoutMs: 50 }))).toBe('ERR_SYNOD_TIMEOUT not-applied');
    controller.abort();
    expect(await aborted).toBe('ERR_SYNOD_ABORTED not-applied');
    expect(await count(last, { consistency: { after: 's1' } })).toBe(1);
    await last.replica.close();
    expect(await waiting).toBe('ERR_SYNOD_CLOSED not-applied');
    expect(await far).toBe('ERR_SYNOD_CLOSED not-applied');
    expect(await codeOf(count(last))).toBe('ERR_SYNOD_CLOSED not-applied');
  });

  it('go on when the primary closes', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await until('one primary', () => new Set(members.map(({ replica }) => replica.primary)).size === 1);
    const primary = members.find(({ replica }) => replica.role === 'primary')!;
    const others = members.filter((member) => member !== primary);
    const closing = primary.replica.close();
    const all = await Promise.all(others.flatMap((member) => [count(member), count(member)]));
    expect(all).toEqual([1, 1, 1, 1]);
    await closing;
  });

  it('are refused where the arguments are wrong, and tell what the state machine threw', async () => {
    const [{ replica, stateMachine }] = (await openCluster(1, { engine })) as [Member];
    const read = (options: unknown): Promise<string> => codeOf(replica.read('count', options as ReadOptions));
    for (const consistency of [
      'strong',
      7,
      null,
      {},
      { maxAgeMs: -1 },
      { maxAgeMs: Number.NaN },
      { maxAgeMs: 1, after: 's1' },
    ])
      expect(await read({ consistency })).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await read({ consistency: { after: 'x' } })).toBe('ERR_SYNOD_TOKEN not-applied');
    expect(await read({ timeoutMs: 0 })).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await read({ signal: {} })).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await read({ signal: AbortSignal.abort() })).toBe('ERR_SYNOD_ABORTED not-applied');
    expect(await codeOf(replica.read('throw'))).toBe('Error: as asked');
    expect(await codeOf(replica.read('reject'))).toBe('Error: as asked, later');
    expect(await replica.read('later')).toEqual({ value: 0, token: replica.token() });
    expect(await read(undefined)).toBe('resolved');
    Object.defineProperty(stateMachine, 'read', { value: undefined });
    expect(await read({})).toBe('ERR_SYNOD_STATE_MACHINE not-applied');
  });

  it('whose answer is a promise that throws reject, and nothing else happens', async () => {
    const [{ replica, stateMachine }] = (await openCluster(1, { engine })) as [Member];
    await replica.replicate(bytesOf('x'));
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const answers = [
      {
        // biome-ignore lint/suspicious/noThenProperty: as a query has that begins when it is awaited.
        then: () => {
          throw new Error('no connection');
        },
      },
      proxy,
    ];
    Object.defineProperty(stateMachine, 'read', { value: (index: number) => answers[index] });
    expect(await codeOf(replica.read(0))).toBe('Error: no connection');
    expect(await codeOf(replica.read(1))).toContain('TypeError');
    expect(await codeOf(replica.replicate(bytesOf('y')))).toBe('resolved');
  });

  it('are bounded in number', async () => {
    const [{ replica }] = (await openCluster(1, { engine })) as [Member];
    const consistency = { after: 's9007199254740991' };
    const all = Array.from({ length: 65_536 }, () => codeOf(replica.read('count', { consistency })));
    expect(await codeOf(replica.read('count'))).toBe('ERR_SYNOD_OVERLOADED not-applied');
    await replica.close();
    expect(new Set(await Promise.all(all))).toEqual(new Set(['ERR_SYNOD_CLOSED not-applied']));
  });
});
