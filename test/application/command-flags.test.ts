/** Aim: an exclusive command stands alone in its decree on every replica; behind the last one of a primary another one leads, and nothing fails. */

import { afterEach, describe, expect, it } from 'vitest';
import { bytesOf, closeAll, codeOf, type Member, openCluster, until } from './support.js';

afterEach(closeAll);

/** The slot of each command, by its text. */
function slotsOf({ stateMachine }: Member): Map<string, number> {
  const { commands, decrees } = stateMachine;
  const slots = new Map<string, number>();
  let at = 0;
  for (const { slot, count } of decrees) {
    for (const text of commands.slice(at, at + count)) slots.set(text, slot);
    at += count;
  }
  return slots;
}

const untilAllHave = (members: readonly Member[], count: number): Promise<void> =>
  until(`all have executed ${count}`, () =>
    members.every(({ stateMachine }) => stateMachine.commands.length === count),
  );

describe.each(['inline', 'worker'] as const)('commands with flags, engine %s', (engine) => {
  it('that are exclusive have a decree of their own, wherever they are given', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await Promise.all(
      members.flatMap(({ replica }, at) =>
        Array.from({ length: 60 }, (_, index) =>
          replica.replicate(bytesOf(`${at}-${index}`), { exclusive: index % 7 === 3 }),
        ),
      ),
    );
    await untilAllHave(members, 181);
    for (const member of members) {
      const slots = slotsOf(member);
      const counts = new Map<number, number>();
      for (const slot of slots.values()) counts.set(slot, (counts.get(slot) ?? 0) + 1);
      for (const [text, slot] of slots)
        if (Number(text.split('-')[1]) % 7 === 3) expect(counts.get(slot), text).toBe(1);
      expect(Math.max(...counts.values()), 'and the others have not').toBeGreaterThan(1);
    }
  });

  it('that are the last have the primary hand over; what stands behind them is executed under the next one', async () => {
    const members = await openCluster(3, { engine });
    await members[0]!.replica.replicate(bytesOf('first'));
    await until('all follow', () => members.every(({ replica }) => replica.primary !== null));
    let executed = 1;
    for (const giver of [0, 1, 2, 0]) {
      const before = members[giver]!.replica.primary!;
      const calls = members.flatMap(({ replica }, at) =>
        Array.from({ length: 40 }, (_, index) =>
          replica.replicate(bytesOf(`${executed}-${at}-${index}`), { last: at === giver && index === 20 }),
        ),
      );
      await until('another one leads', () =>
        members.every(({ replica }) => replica.primary !== null && replica.primary !== before),
      );
      await Promise.all(calls);
      executed += 120;
      await untilAllHave(members, executed);
    }
    const [first, ...others] = members.map(({ stateMachine }) => stateMachine.commands);
    for (const commands of others) expect(commands).toEqual(first);
  });
});

it('one replica alone goes on leading behind its last command', async () => {
  const [{ replica }] = (await openCluster(1)) as [Member];
  const calls = ['a', 'b', 'c'].map((text) => replica.replicate(bytesOf(text), { last: text === 'b' }));
  expect(await Promise.all(calls)).toEqual(['1:a', '2:b', '3:c']);
  expect(replica.role).toBe('primary');
});

it('flags that make no sense are refused', async () => {
  const [{ replica }] = (await openCluster(1)) as [Member];
  const refused = 'ERR_SYNOD_ARGUMENT not-applied';
  expect(await codeOf(replica.replicate(bytesOf('a'), { exclusive: 1 as never }))).toBe(refused);
  expect(await codeOf(replica.replicate(bytesOf('a'), { last: 'yes' as never }))).toBe(refused);
  expect(await codeOf(replica.replicate(bytesOf('a'), { last: true, exclusive: false }))).toBe(refused);
  expect(await codeOf(replica.replicateBatch([bytesOf('a')], { exclusive: true } as never))).toBe(refused);
  expect(await codeOf(replica.replicateBatch([bytesOf('a')], { last: true } as never))).toBe(refused);
});
