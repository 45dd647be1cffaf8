/**
 * Aim: a cluster is given its first member set by a call, on whichever member, once or often, and two different sets with a member in
 * common never both come to be. Method: real replicas, opened without members.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigurationMember, ReplicaOptions } from '../../src/index.js';
import { Replica } from '../../src/index.js';
import { bytesOf, freePorts, Recorder, silentLogger, until } from './support.js';

const opened = new Set<Replica<string>>();
const roots: string[] = [];
afterEach(async () => {
  await Promise.all([...opened].map((replica) => replica.close()));
  opened.clear();
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

async function placesOf(ids: string): Promise<Map<string, ConfigurationMember>> {
  const ports = await freePorts(ids.length);
  return new Map([...ids].map((id, index) => [id, { id, address: `127.0.0.1:${ports[index]}` }]));
}

type Places = Map<string, ConfigurationMember>;

const listOf = (places: Places, ids: string): ConfigurationMember[] => [...ids].map((id) => places.get(id)!);

async function open(
  places: Places,
  id: string,
  more: Partial<ReplicaOptions> = {},
): Promise<Replica<string>> {
  const replica = await Replica.open<string>(
    {
      cluster: 'here',
      replica: id,
      listen: places.get(id)!.address,
      storage: { kind: 'memory', segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
      engine: 'inline',
      electionTimeoutMs: 150,
      logger: silentLogger,
      ...more,
    },
    new Recorder(),
  );
  opened.add(replica);
  return replica;
}

describe.each(['inline', 'worker'] as const)('bootstrap, engine %s', (engine) => {
  it('begins a cluster, called on any member, and again, is no change', async () => {
    const places = await placesOf('abc');
    const [a, b, c] = await Promise.all([...'abc'].map((id) => open(places, id, { engine })));
    expect(a!.role).toBe('inactive');
    await expect(a!.replicate(bytesOf('early'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_INACTIVE',
      outcome: 'not-applied',
    });
    const list = listOf(places, 'abc');
    // Not on the one that draws it up; in another order; and on two at once.
    expect(await Promise.all([c!.bootstrap(list), b!.bootstrap([...list].reverse())])).toEqual([
      'bootstrapped',
      'bootstrapped',
    ]);
    await until('all are members', () => [a, b, c].every((one) => one!.configuration?.number === 1));
    await expect(a!.replicate(bytesOf('one'))).resolves.toBe('1:one');
    expect(b!.configuration!.members).toEqual(list);
    expect(await a!.bootstrap(list)).toBe('already-bootstrapped');
    await expect(a!.bootstrap(listOf(places, 'ab'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_BOOTSTRAPPED',
      outcome: 'not-applied',
      message: expect.stringContaining('a, b, c'),
    });
  });
});

describe('bootstrap', () => {
  it('waits for every member, says who is missing, and goes on by itself', async () => {
    const places = await placesOf('abc');
    const list = listOf(places, 'abc');
    const [a, b] = await Promise.all([...'ab'].map((id) => open(places, id)));
    await expect(b!.bootstrap(list, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'ERR_SYNOD_BOOTSTRAP_FAILED',
      outcome: 'unknown',
      message: expect.stringMatching(/: c$/),
    });
    expect(a!.configuration).toBe(null);
    const c = await open(places, 'c');
    await until('there is a primary', () => c.primary !== null);
    await expect(c.replicate(bytesOf('one'))).resolves.toBe('1:one');
  });

  it('takes no other list where one was taken, and says who holds what', async () => {
    const places = await placesOf('abcd');
    const [a, b, , d] = await Promise.all([...'abcd'].map((id) => open(places, id)));
    // a and d are asked for sets that have b in common; d is not reached by the first.
    const first = a!.bootstrap(listOf(places, 'abc'));
    expect(await first).toBe('bootstrapped');
    await expect(d!.bootstrap(listOf(places, 'bd'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_BOOTSTRAPPED',
      message: expect.stringContaining('a, b, c'),
    });
    await expect(d!.bootstrap(listOf(places, 'cd'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_BOOTSTRAP_FAILED',
      outcome: 'not-applied',
      message: '"d" was given other members before: b, d',
    });
    expect(d!.configuration).toBe(null);
    expect(b!.configuration!.members.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it('with two lists at once that have a member in common, never yields two clusters', async () => {
    for (let round = 0; round < 4; round += 1) {
      const places = await placesOf('abcde');
      const replicas = new Map(
        await Promise.all([...'abcde'].map(async (id) => [id, await open(places, id)] as const)),
      );
      const calls = [
        replicas.get('a')!.bootstrap(listOf(places, 'abc'), { timeoutMs: 400 }),
        replicas.get('e')!.bootstrap(listOf(places, 'cde'), { timeoutMs: 400 }),
      ];
      const outcomes = (await Promise.allSettled(calls)).map(({ status }) => status);
      expect(outcomes.filter((status) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
      const sets = new Set(
        [...replicas.values()].flatMap(({ configuration }) =>
          configuration === null ? [] : [configuration.members.map(({ id }) => id).join('')],
        ),
      );
      expect(sets.size).toBeLessThanOrEqual(1);
      await Promise.all([...replicas.values()].map((replica) => replica.close()));
    }
  });

  it('is remembered by the disk: who was invited takes no other list after a restart, and the cluster begins', async () => {
    const root = mkdtempSync(path.join(tmpdir(), 'synod-bootstrap-'));
    roots.push(root);
    const places = await placesOf('abc');
    const onDisk = (id: string): Partial<ReplicaOptions> => ({
      storage: { kind: 'file', segmentBytes: 1024 * 1024 },
      dataDir: path.join(root, id),
    });
    const list = listOf(places, 'abc');
    const a = await open(places, 'a', onDisk('a'));
    const b = await open(places, 'b', onDisk('b'));
    await expect(b.bootstrap(list, { timeoutMs: 300 })).rejects.toMatchObject({ outcome: 'unknown' });
    await Promise.all([a.close(), b.close()]);
    const again = await open(places, 'a', onDisk('a'));
    await expect(again.bootstrap(listOf(places, 'ab'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_BOOTSTRAP_FAILED',
      message: '"a" was given other members before: a, b, c',
    });
    await Promise.all([open(places, 'b', onDisk('b')), open(places, 'c', onDisk('c'))]);
    await until('there is a primary', () => again.primary !== null);
    await expect(again.replicate(bytesOf('one'))).resolves.toBe('1:one');
    await again.close();
    // Its disk knows the cluster: nothing is asked for any more.
    const member = await open(places, 'a', onDisk('a'));
    await expect(member.replicate(bytesOf('two'))).resolves.toBe('2:two');
  });

  it('reaches members whose options name the same list, and no others', async () => {
    const places = await placesOf('abc');
    const list = listOf(places, 'abc');
    const a = await open(places, 'a', { members: list });
    const b = await open(places, 'b');
    const c = await open(places, 'c', { members: listOf(places, 'bc') });
    await expect(b.bootstrap(list, { timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'ERR_SYNOD_BOOTSTRAP_FAILED',
      message: '"c" was given other members before: b, c',
    });
    await c.close();
    await open(places, 'c', { members: list });
    await until('there is a primary', () => a.primary !== null);
  });

  it('begins a cluster of one, and takes a newcomer that has nothing but its address', async () => {
    const places = await placesOf('ab');
    const a = await open(places, 'a');
    expect(await a.bootstrap(listOf(places, 'a'))).toBe('bootstrapped');
    await open(places, 'b');
    expect(await a.changeConfiguration(listOf(places, 'ab'))).toBe(2);
    const { peers } = await a.status();
    expect(peers.map(({ id }) => id)).toEqual(['b']);
    expect((await a.health()).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('refuses what is no list, and a list without the replica that is asked', async () => {
    const places = await placesOf('ab');
    const a = await open(places, 'a');
    const wrong: [readonly ConfigurationMember[], object?][] = [
      [[]],
      [listOf(places, 'b')],
      [[...listOf(places, 'a'), ...listOf(places, 'a')]],
      [[{ id: 'a', address: 'nowhere' }]],
      [listOf(places, 'a'), { timeoutMs: 0 }],
      [listOf(places, 'a'), { timeoutMs: 2 ** 31 }],
    ];
    for (const [members, options] of wrong)
      await expect(a.bootstrap(members, options)).rejects.toMatchObject({ code: 'ERR_SYNOD_ARGUMENT' });
    const late = a.bootstrap(listOf(places, 'ab'));
    const settled = expect(late).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED' });
    await a.close();
    await settled;
    await expect(a.bootstrap(listOf(places, 'ab'))).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED' });
  });
});
