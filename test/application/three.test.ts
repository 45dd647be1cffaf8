/**
 * Aim: three members in one process, on any of which commands are given: all execute the same, each command once, and each
 * caller gets what its own state machine replied.
 */

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { SynodError } from '../../src/index.js';
import { bytesOf, closeAll, type Member, openCluster, until } from './support.js';

afterEach(closeAll);

const untilSame = (members: readonly Member[]): Promise<void> =>
  until('all have executed the same', async () => {
    const statuses = await Promise.all(members.map(({ replica }) => replica.status()));
    return statuses.every(
      ({ applied, chosen }) => applied === statuses[0]!.applied && chosen === statuses[0]!.chosen,
    );
  });

describe.each(['inline', 'worker'] as const)('three replicas, engine %s', (engine) => {
  it('execute the same, whoever the commands are given to', async () => {
    const members = await openCluster(3, { engine });
    const results = await Promise.all(
      members.flatMap(({ replica }, at) =>
        Array.from({ length: 200 }, async (_, index) => ({
          text: `${at}-${index}`,
          result: await replica.replicate(bytesOf(`${at}-${index}`)),
        })),
      ),
    );
    await untilSame(members);
    const [{ stateMachine }] = members as [Member];
    for (const member of members) expect(member.stateMachine.commands).toEqual(stateMachine.commands);
    expect(stateMachine.commands.length).toBe(600);
    for (const { text, result } of results)
      expect(result).toBe(`${stateMachine.commands.indexOf(text) + 1}:${text}`);
    for (const at of [0, 1, 2]) {
      const own = stateMachine.commands.filter((text) => text.startsWith(`${at}-`));
      expect(own).toEqual(Array.from({ length: 200 }, (_, index) => `${at}-${index}`));
    }
  });

  it('go on when the primary closes; what waits elsewhere gets its result from the next one', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await until('one primary', () => new Set(members.map(({ replica }) => replica.primary)).size === 1);
    const primary = members.find(({ replica }) => replica.role === 'primary')!;
    const others = members.filter((member) => member !== primary);
    const [{ replica: secondary }] = others as [Member];
    await expect(secondary.relinquish()).rejects.toMatchObject({
      code: 'ERR_SYNOD_NOT_PRIMARY',
      message: `the primary is "${secondary.primary}"`,
    });
    const pending = others.flatMap(({ replica }, at) =>
      Array.from({ length: 50 }, (_, index) => replica.replicate(bytesOf(`${at}-${index}`))),
    );
    const closing = primary.replica.close();
    const results = await Promise.all(pending);
    expect(results.length).toBe(100);
    await closing;
    await untilSame(others);
    expect(others[0]!.stateMachine.commands).toEqual(others[1]!.stateMachine.commands);
    const commands = others[0]!.stateMachine.commands;
    expect(new Set(commands).size, 'each once').toBe(commands.length);
    expect(commands.length).toBe(101);
  });

  it('make calls wait, time out and be given up while there is no majority', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await Promise.all(members.slice(1).map(({ replica }) => replica.close()));
    const { replica } = members[0]!;
    const controller = new AbortController();
    const waiting = replica.replicate(bytesOf('waiting'));
    const timed = replica.replicate(bytesOf('timed'), { timeoutMs: 50 });
    const aborted = replica.replicate(bytesOf('aborted'), { signal: controller.signal, timeoutMs: 60_000 });
    await expect(timed).rejects.toMatchObject({ code: 'ERR_SYNOD_TIMEOUT', outcome: 'unknown' });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_SYNOD_ABORTED', outcome: 'unknown' });
    await until('the primary gives up', () => replica.role !== 'primary');
    expect((await replica.status()).primary).toBe(null);
    const closed = expect(waiting).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED', outcome: 'unknown' });
    await replica.close();
    await closed;
  });

  it('tell events: roles, peers', async () => {
    const members = await openCluster(3, { engine });
    const told: string[] = [];
    const [{ replica }] = members as [Member];
    replica.on('role', ({ role }) => told.push(role));
    replica.on('peer', ({ id, connected }) => told.push(`${id} ${connected}`));
    await replica.replicate(bytesOf('x'));
    await members[2]!.replica.close();
    await until('c is down', () => told.includes('c false'));
    expect((await replica.status()).peers).toEqual([
      { id: 'b', connected: true, lag: expect.toSatisfy((lag) => lag === null || lag >= 0), versionMax: 1 },
      { id: 'c', connected: false, lag: null, versionMax: null },
    ]);
  });
});

describe('random commands on three replicas', () => {
  it('are each executed once, in the order of each caller', async () => {
    const members = await openCluster(3, { limits: { outstandingBytesMax: 2_000_000 } });
    let expected = 0;
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            at: fc.nat(2),
            count: fc.integer({ min: 1, max: 30 }),
            bytes: fc.oneof(fc.nat(100), fc.nat(60_000)),
            pause: fc.boolean(),
          }),
          { minLength: 1, maxLength: 12 },
        ),
        async (bursts) => {
          round += 1;
          const results: Promise<unknown>[] = [];
          const given: string[][] = [[], [], []];
          for (const { at, count, bytes, pause } of bursts) {
            for (let index = 0; index < count; index += 1) {
              const text = `${round}/${at}/${given[at]!.length}/`.padEnd(bytes, 'x');
              const result = members[at]!.replica.replicate(bytesOf(text));
              const refused = await Promise.race([
                result.then(
                  () => false,
                  (error: unknown) => SynodError.is(error) && error.code === 'ERR_SYNOD_OVERLOADED',
                ),
                new Promise<false>((resolve) => setImmediate(resolve, false)),
              ]);
              if (refused) continue;
              given[at]!.push(text);
              results.push(result);
            }
            if (pause) await new Promise((resolve) => setImmediate(resolve));
          }
          expected += results.length;
          await Promise.all(results);
          await untilSame(members);
          const { commands } = members[0]!.stateMachine;
          expect(commands.length).toBe(expected);
          for (const member of members) expect(member.stateMachine.commands.length).toBe(expected);
          const recent = commands.slice(-results.length);
          for (const at of [0, 1, 2])
            expect(recent.filter((text) => text.startsWith(`${round}/${at}/`))).toEqual(given[at]);
        },
      ),
      { numRuns: 40 },
    );
    for (const member of members)
      expect(member.stateMachine.commands).toEqual(members[0]!.stateMachine.commands);
  }, 60_000);
});
