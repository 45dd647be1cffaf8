/** Aim: who leads is for the applications to say, by what they answer and by a flag; and an application that does not answer stops nothing. */

import { afterEach, describe, expect, it } from 'vitest';
import type { LeadershipOptions } from '../../src/index.js';
import { bytesOf, closeAll, codeOf, type Member, openCluster, until } from './support.js';

afterEach(closeAll);

const open = (
  engine: 'inline' | 'worker',
  leadership: (id: string) => LeadershipOptions,
): Promise<readonly Member[]> =>
  openCluster(3, { engine, electionTimeoutMs: 300 }, (id) => ({ leadership: leadership(id) }));

const leaderOf = (members: readonly Member[]): string | null => {
  const [first, ...others] = members.map(({ replica }) => replica.primary);
  return others.every((primary) => primary === first) ? first! : null;
};

describe.each(['inline', 'worker'] as const)('the leave of the application, engine %s', (engine) => {
  it('is asked for before it leads, and its cookie is shown to all that vote', async () => {
    const seen = new Set<string>();
    const members = await open(engine, (id) => ({
      canBecomePrimary: async () => id === 'c' && bytesOf('of c'),
      acceptFrom: (member, cookie) => {
        seen.add(`${id}: ${member} ${Buffer.from(cookie).toString('latin1')}`);
        return true;
      },
    }));
    await members[0]!.replica.replicate(bytesOf('x'));
    await until('all follow c', () => leaderOf(members) === 'c');
    expect([...seen]).toEqual(expect.arrayContaining(['a: c of c', 'b: c of c']));
    expect([...seen].filter((line) => !line.startsWith('c') && line.endsWith('of c')).length).toBe(2);
    expect(await codeOf(members[0]!.replica.promote())).toBe('ERR_SYNOD_NOT_PROMOTED');
    expect(await codeOf(members[2]!.replica.relinquish())).toBe('ERR_SYNOD_NOT_RELINQUISHED');
    await members[1]!.replica.replicate(bytesOf('y'));
  });

  it('is asked for by who wants a vote; whom a majority refuses does not lead', async () => {
    const members = await open(engine, (id) => ({
      canBecomePrimary: () => bytesOf(id === 'b' ? 'blue' : 'red'),
      acceptFrom: (_, cookie) => Buffer.from(cookie).toString('latin1') !== 'red',
    }));
    await members[2]!.replica.replicate(bytesOf('x'));
    await until('all follow b', () => leaderOf(members) === 'b');
    expect(await codeOf(members[0]!.replica.promote())).toBe('ERR_SYNOD_NOT_PROMOTED');
    // Preparing, it has taken the votes of nobody, and what the others do goes on under b.
    await members[2]!.replica.replicate(bytesOf('y'));
    await until('all follow b again', () => leaderOf(members) === 'b');
  });

  it('is not waited for for ever', async () => {
    const members = await open(engine, () => ({ acceptFrom: () => new Promise<boolean>(() => {}) }));
    expect(await members[0]!.replica.replicate(bytesOf('x'))).toBe('1:x');
  });

  it('is given and taken by a flag too: a primary that gets no votes is replaced, and loses no command', async () => {
    const members = await open(engine, () => ({}));
    await members[0]!.replica.replicate(bytesOf('x'));
    await until('all follow', () => leaderOf(members) !== null);
    const before = leaderOf(members)!;
    const others = members.filter(({ replica }) => replica.role !== 'primary');
    for (const { replica } of others) replica.setVotes(false);
    const calls = members.map(({ replica }, at) => replica.replicate(bytesOf(`y${at}`)));
    await until('another one leads', () => {
      const now = leaderOf(members);
      return now !== null && now !== before;
    });
    await Promise.all(calls);
    for (const { replica } of others) replica.setVotes(true);
    await Promise.all(members.map(({ replica }, at) => replica.replicate(bytesOf(`z${at}`))));
    expect(() => members[0]!.replica.setVotes(1 as never)).toThrow(/votes: expected true or false/);
  });
});

it('hooks that fail are logged: that replica does not lead, and its votes are not withheld', async () => {
  const logged: string[] = [];
  const log = (fields: object, event: string): void => {
    if ('hook' in fields) logged.push(`${fields.hook} ${event}`);
  };
  const none = (): void => {};
  const logger = { trace: none, debug: none, info: none, warn: log, error: none, fatal: none };
  const members = await openCluster(3, { electionTimeoutMs: 300, logger }, (id) => ({
    leadership: {
      canBecomePrimary: () => (id === 'b' ? true : id === 'a' ? new Uint8Array(257) : (undefined as never)),
      acceptFrom: () => {
        throw new Error('as asked');
      },
    },
  }));
  await members[0]!.replica.replicate(bytesOf('x'));
  await until('all follow b', () => leaderOf(members) === 'b');
  expect(logged).toContain('acceptFrom hook failed');
  expect(await codeOf(members[0]!.replica.promote())).toBe('ERR_SYNOD_NOT_PROMOTED');
  expect(logged).toContain('canBecomePrimary hook failed');
});
