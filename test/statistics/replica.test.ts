/** Aim: a cluster's replicas count and time what they do, tell each other of themselves, and say so on each side of the worker's boundary. */

import { afterEach, describe, expect, it } from 'vitest';
import { stageNames } from '../../src/index.js';
import { bytesOf, closeAll, type Member, openCluster, until } from '../application/support.js';

afterEach(closeAll);

function primaryOf(members: readonly Member[]): Member | undefined {
  return members.find(({ replica }) => replica.role === 'primary');
}

describe.each(['inline', 'worker'] as const)('statistics, engine %s', (engine) => {
  it('count decrees and commands, and time every stage', async () => {
    // Another election would have commands come twice, and they count twice; so does one that is forwarded as the first primary is elected.
    const members = await openCluster(3, { engine, electionTimeoutMs: 2000 });
    await until('a primary', () => primaryOf(members) !== undefined);
    const { replica } = primaryOf(members)!;
    await replica.replicate(bytesOf('first'));
    const before = replica.statistics();
    for (let round = 0; round < 20; round += 1)
      await Promise.all(
        Array.from({ length: 10 }, (_, index) => replica.replicate(bytesOf(`${round}-${index}`))),
      );
    // A heartbeat and its reply, and the stages of what was chosen last.
    await until('heartbeats', () => replica.statistics().since(before).stages.network.count >= 4);
    const { counters, stages, spanMs } = replica.statistics().since(before);
    expect(counters.commandsApplied).toBe(200);
    expect(counters.decreesProposed).toBeGreaterThanOrEqual(20);
    expect(counters.decreesProposed).toBe(counters.decreesApplied);
    expect(counters.decreesChosen).toBe(counters.decreesApplied);
    expect(counters.logWrites).toBeGreaterThanOrEqual(20);
    expect(counters.timesPrimary).toBe(0);
    expect(replica.statistics().counters.timesPrimary).toBeGreaterThanOrEqual(1);
    expect(stages.quorum.count).toBe(counters.decreesProposed);
    expect(stages.apply.count).toBe(counters.decreesApplied);
    expect(stages.queue.count).toBe(counters.decreesProposed);
    expect(stages.log.count).toBeGreaterThanOrEqual(20);
    for (const name of stageNames) {
      // Each began and ended within the span: clocks of two threads that did not agree would show here.
      expect(stages[name].max, name).toBeLessThanOrEqual((spanMs + 1000) * 1000);
      expect(stages[name].percentile(99), name).toBeGreaterThanOrEqual(stages[name].percentile(50));
    }
    expect(stages.quorum.mean).toBeGreaterThan(0);
    const merged = members.map((member) => member.replica.statistics()).reduce((a, b) => a.merge(b));
    expect(merged.counters.commandsApplied).toBeGreaterThanOrEqual(201);
  });

  it('tell who applies slowly', async () => {
    const members = await openCluster(1, { engine });
    const { replica, stateMachine } = members[0]!;
    await replica.replicate(bytesOf('first'));
    const before = replica.statistics();
    const { apply } = stateMachine;
    stateMachine.apply = (decree) => {
      const until = performance.now() + 20;
      while (performance.now() < until);
      apply.call(stateMachine, decree);
    };
    await replica.replicate(bytesOf('slow'));
    const { stages } = replica.statistics().since(before);
    expect(stages.apply.count).toBe(1);
    expect(stages.apply.max).toBeGreaterThanOrEqual(19_000);
  });
});

describe.each(['inline', 'worker'] as const)('health, engine %s', (engine) => {
  it('tells of each member on each replica, with the bits of its application', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    members[0]!.replica.setVotePayload(7n);
    members[1]!.replica.setVotePayload(0xffff_ffff_ffff_ffffn);
    for (const { replica } of members) {
      await until('the reports', async () => {
        const health = await replica.health();
        return (
          health.map(({ payload }) => payload).join() === '7,18446744073709551615,0' &&
          health.every(({ lag, applied }) => lag === 0 && (applied ?? 0) > 0)
        );
      });
      const health = await replica.health();
      expect(health.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
      expect(health.filter(({ isSelf }) => isSelf).length).toBe(1);
      for (const member of health) {
        expect(member).toMatchObject({ connected: true, disk: 'ok', lagBytes: 0 });
        expect(member.lastHeardMs).toBeLessThan(10_000);
      }
    }
  });

  it('tells how far behind a member is that went away, and since when', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await until('one primary', () => new Set(members.map(({ replica }) => replica.primary)).size === 1);
    const { replica } = primaryOf(members)!;
    const gone = members.find((member) => member.replica !== replica)!;
    const { id } = (await gone.replica.health()).find(({ isSelf }) => isSelf)!;
    const of = async () => (await replica.health()).find((member) => member.id === id)!;
    await until('it has told', async () => (await of()).chosen !== null);
    await gone.replica.close();
    for (let index = 0; index < 10; index += 1) await replica.replicate(bytesOf('x'.repeat(1000)));
    await until('the link is down', async () => !(await of()).connected);
    const { lag, lagBytes, lastHeardMs } = await of();
    expect(lag).toBeGreaterThanOrEqual(10);
    expect(lagBytes).toBeGreaterThanOrEqual(10_000);
    await until('time passes', async () => ((await of()).lastHeardMs ?? 0) > lastHeardMs!);
  });
});

it('refuses a payload that is not 64 bits', async () => {
  const [{ replica }] = (await openCluster(1)) as [Member];
  for (const wrong of [-1n, 1n << 64n, 3 as unknown as bigint])
    expect(() => replica.setVotePayload(wrong)).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT' }),
    );
  await replica.close();
  await expect(replica.health()).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED' });
});
