/**
 * Aim: who a member is and where it is are two things: the application says where, each time it is dialled, and a member that moves
 * is found again without a change of the member set. Method: real replicas, whose configured addresses lead nowhere.
 */

import { afterEach, describe, expect, it } from 'vitest';
import type { Logger, MemberOptions, ReplicaOptions } from '../../src/index.js';
import { Replica } from '../../src/index.js';
import { bytesOf, freePorts, Recorder, silentLogger, until } from './support.js';

const opened: Replica<string>[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
});

const ids = ['a', 'b', 'c'];
/** Nobody listens there. */
const members = ids.map((id, index) => ({ id, address: `127.0.0.1:${index + 1}` }));

async function open(id: string, port: number, more: Partial<ReplicaOptions>): Promise<Replica<string>> {
  const replica = await Replica.open<string>(
    {
      cluster: 'here',
      replica: id,
      members,
      listen: `127.0.0.1:${port}`,
      storage: { kind: 'memory', segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
      electionTimeoutMs: 150,
      logger: silentLogger,
      ...more,
    },
    new Recorder(),
  );
  opened.push(replica);
  return replica;
}

describe.each(['inline', 'worker'] as const)('where a member is, engine %s', (engine) => {
  it('is for the application to say, each time it is dialled', async () => {
    const [a, b, c, elsewhere] = (await freePorts(4)) as [number, number, number, number];
    const places = new Map([
      ['a', a],
      ['b', b],
      ['c', c],
    ]);
    const asked: MemberOptions[] = [];
    const resolve = async (member: MemberOptions): Promise<string> => {
      asked.push(member);
      await new Promise(setImmediate);
      return `127.0.0.1:${places.get(member.id)}`;
    };
    const replicas = await Promise.all(ids.map((id) => open(id, places.get(id)!, { engine, resolve })));
    await replicas[0]!.replicate(bytesOf('one'));
    expect(asked).toContainEqual(members[0]);
    expect(
      asked.every(({ id, address }) => members.some((one) => one.id === id && one.address === address)),
    ).toBe(true);

    // It comes back somewhere else, with another disk, as memory is; nobody changes the member set for the address.
    await replicas[2]!.close();
    places.set('c', elsewhere);
    const moved = await open('c', elsewhere, { engine, resolve });
    await until('c is linked again', async () =>
      (await replicas[0]!.status()).peers.some(({ id, connected }) => id === 'c' && connected),
    );
    await until('c votes again', () => moved.role === 'secondary' || moved.role === 'primary');
    await expect(moved.replicate(bytesOf('two'))).resolves.toMatch(/two$/);
    expect(moved.configuration!.members).toEqual(members);
  });

  it('may not be known for a while: that is logged once, and asked again', async () => {
    const ports = await freePorts(2);
    const two = ids.slice(0, 2);
    let failures = 0;
    const warned: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (fields, event) => void warned.push(`${event}: ${(fields as { reason?: string }).reason}`),
    };
    const answers: (() => string | Promise<string>)[] = [
      () => {
        throw new Error('no directory');
      },
      () => Promise.reject(new Error('no directory')),
      () => Promise.reject(new Error('no directory')),
      () => 'nowhere' as string,
      () => 7 as unknown as string,
      () => '127.0.0.1:0',
      // What has no text, and cannot be made into one.
      () => Object.create(null) as string,
      () => Promise.reject(Object.create(null)),
    ];
    const resolve = ({ id }: MemberOptions): string | Promise<string> => {
      const next = answers[failures];
      if (next === undefined) return `127.0.0.1:${ports[two.indexOf(id)]}`;
      failures += 1;
      return next();
    };
    const known = members.slice(0, 2);
    const [first] = await Promise.all(
      two.map((id, index) => open(id, ports[index]!, { engine, resolve, logger, members: known })),
    );
    await first!.replicate(bytesOf('one'));
    expect(failures).toBe(answers.length);
    const unresolved = warned.filter((line) => line.startsWith('address not resolved'));
    expect(unresolved.filter((line) => line.includes('no directory'))).toHaveLength(1);
    expect(unresolved.some((line) => line.includes('expected host:port, got nowhere'))).toBe(true);
    expect(unresolved.some((line) => line.includes('expected host:port, got 7'))).toBe(true);
    expect(unresolved.some((line) => line.includes('expected host:port, got [object]'))).toBe(true);
    expect(unresolved.some((line) => line.endsWith('not known: [object]'))).toBe(true);
  });

  it('does not keep replicas from opening and closing where nobody ever says it', async () => {
    const [port] = await freePorts(1);
    const replica = await open('a', port!, { engine, resolve: () => new Promise(() => {}) });
    expect((await replica.status()).peers.every(({ connected }) => !connected)).toBe(true);
    await replica.close();
    opened.length = 0;
  });
});
