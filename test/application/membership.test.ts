/**
 * Aim: the member set of a running cluster is replaced while commands are given to it: every command is executed once by every
 * member, each change has one definite outcome, and who is taken out says so. Method: real replicas in this process.
 */

import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigurationMember, MemberSetChange, ReplicaOptions } from '../../src/index.js';
import { Replica } from '../../src/index.js';
import { bytesOf, freePorts, Recorder, silentLogger, until } from './support.js';

interface Node {
  readonly id: string;
  readonly address: string;
  readonly replica: Replica<string>;
  readonly stateMachine: Recorder;
  readonly changes: MemberSetChange[];
}

const opened: Replica<string>[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
});

/** Addresses for all of `ids`; nobody listens there yet. */
async function addressesOf(...ids: readonly string[]): Promise<ConfigurationMember[]> {
  const ports = await freePorts(ids.length);
  return ids.map((id, index) => ({ id, address: `127.0.0.1:${ports[index]}` }));
}

async function open(
  own: ConfigurationMember,
  members: readonly ConfigurationMember[],
  more: Partial<ReplicaOptions> = {},
): Promise<Node> {
  const stateMachine = new Recorder();
  const options: ReplicaOptions = {
    cluster: 'here',
    replica: own.id,
    members,
    storage: { kind: 'memory', segmentBytes: 1024 * 1024 },
    transport: { kind: 'tcp' },
    engine: 'inline',
    electionTimeoutMs: 150,
    logger: silentLogger,
    ...more,
  };
  const replica = await Replica.open(options, stateMachine);
  opened.push(replica);
  const changes: MemberSetChange[] = [];
  replica.on('configuration', (change) => changes.push(change));
  return { ...own, replica, stateMachine, changes };
}

async function cluster(members: readonly ConfigurationMember[], more: Partial<ReplicaOptions> = {}) {
  const nodes = await Promise.all(members.map((member) => open(member, members, more)));
  await nodes[0]!.replica.replicate(bytesOf('first'));
  return nodes;
}

async function primaryOf(nodes: readonly Node[]): Promise<Node> {
  const find = (): Node | undefined => nodes.find(({ replica }) => replica.role === 'primary');
  await until('a primary', () => find() !== undefined);
  return find()!;
}

const untilSame = (nodes: readonly Node[]): Promise<void> =>
  until('all have executed the same', async () => {
    const statuses = await Promise.all(nodes.map(({ replica }) => replica.status()));
    return statuses.every(({ applied, chosen }) => applied === chosen && applied === statuses[0]!.applied);
  });

describe.each(['inline', 'worker'] as const)('the member set, engine %s', (engine) => {
  it('grows by a replica that nobody knew of, shrinks again, and loses no command meanwhile', async () => {
    const all = await addressesOf('a', 'b', 'c', 'd');
    const three = all.slice(0, 3);
    const nodes = await cluster(three, { engine });
    const d = await open(all[3]!, all, { engine });
    let isOver = false;
    let given = 0;
    const load = nodes.map(async ({ replica }, at) => {
      while (!isOver) {
        await replica.replicate(bytesOf(`${at}-${given}`));
        given += 1;
      }
    });
    const primary = await primaryOf(nodes);
    expect(await primary.replica.changeConfiguration(all, { cookie: bytesOf('bigger') })).toBe(2);
    await until('d votes', () => d.replica.role === 'secondary');
    await expect(d.replica.replicate(bytesOf('by d'))).resolves.toMatch(/:by d$/);
    const left = (await primaryOf([...nodes, d])) === nodes[1] ? nodes[2]! : nodes[1]!;
    const rest = all.filter(({ id }) => id !== left.id);
    isOver = true;
    await Promise.all(load);
    expect(await (await primaryOf([...nodes, d])).replica.changeConfiguration(rest)).toBe(3);
    await until('everyone was told', () =>
      [...nodes, d].every(({ changes }) => changes.at(-1)?.number === 3),
    );
    expect(left.changes.at(-1)).toMatchObject({ isMember: false, wasMember: true, cookie: null });
    expect(d.changes.map(({ number, isMember }) => [number, isMember])).toEqual([
      [1, false],
      [2, true],
      [3, true],
    ]);
    expect(Buffer.from(d.changes[1]!.cookie!).toString()).toBe('bigger');
    expect(d.replica.configuration!.members).toEqual(rest);
    await expect(left.replica.replicate(bytesOf('no'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_INACTIVE',
      outcome: 'not-applied',
    });
    const members = [...nodes, d].filter((node) => node !== left);
    await members[0]!.replica.replicate(bytesOf('last'));
    await untilSame(members);
    for (const { stateMachine } of members) {
      expect(stateMachine.commands).toEqual(members[0]!.stateMachine.commands);
      expect(new Set(stateMachine.commands).size).toBe(stateMachine.commands.length);
    }
    expect(members[0]!.stateMachine.commands.length).toBe(given + 3);
  });

  it('is replaced as a whole, the primary with it', async () => {
    const all = await addressesOf('d', 'e', 'f', 'a', 'b', 'c');
    const [before, after] = [all.slice(0, 3), all.slice(3)];
    const old = await cluster(before, { engine });
    // They know of themselves and of the old ones, and these know of nobody else.
    const fresh = await Promise.all(after.map((member) => open(member, [...before, member], { engine })));
    const primary = await primaryOf(old);
    expect(await primary.replica.changeConfiguration(after)).toBe(2);
    await until('the old ones are out', () => old.every(({ changes }) => changes.at(-1)?.isMember === false));
    await until('the new ones are in', () => fresh.every(({ changes }) => changes.at(-1)?.isMember === true));
    await fresh[0]!.replica.replicate(bytesOf('second'));
    await untilSame(fresh);
    for (const { stateMachine } of fresh) expect(stateMachine.commands).toEqual(['first', 'second']);
    await Promise.all(old.map(({ replica }) => replica.close()));
    await fresh[1]!.replica.replicate(bytesOf('third'));
    // Who comes back goes on under the number that it had.
    expect((await primaryOf(fresh)).replica.configuration?.number).toBe(2);
  });
});

describe('a change of the member set is refused', () => {
  it('by who is not the primary, with its name', async () => {
    const members = await addressesOf('a', 'b', 'c');
    const nodes = await cluster(members);
    const primary = await primaryOf(nodes);
    const other = nodes.find((node) => node !== primary)!;
    await until('it is known', () => other.replica.primary === primary.id);
    await expect(other.replica.changeConfiguration(members)).rejects.toMatchObject({
      code: 'ERR_SYNOD_NOT_PRIMARY',
      outcome: 'not-applied',
      message: `the primary is "${primary.id}"`,
    });
  });

  it('while another is under way, and where a newcomer is not there', async () => {
    const all = await addressesOf('a', 'b', 'c', 'd');
    const nodes = await cluster(all.slice(0, 3), { electionTimeoutMs: 100 });
    const { replica } = await primaryOf(nodes);
    const waiting = replica.changeConfiguration(all);
    await expect(replica.changeConfiguration(all)).rejects.toMatchObject({
      code: 'ERR_SYNOD_CHANGE_IN_FLIGHT',
    });
    await expect(waiting).rejects.toMatchObject({
      code: 'ERR_SYNOD_NO_QUORUM',
      outcome: 'not-applied',
      message: 'not linked, or not caught up: d',
    });
    // Nothing was changed, and the next one may go on.
    expect(replica.configuration?.number).toBe(1);
    expect(await replica.changeConfiguration(all.slice(0, 2))).toBe(2);
  });

  it('where it names nobody that could be a member', async () => {
    const members = await addressesOf('a', 'b');
    const [{ replica }] = (await cluster(members.slice(0, 1))) as [Node];
    const refused = async (set: unknown, options: unknown = {}): Promise<string> =>
      replica.changeConfiguration(set as ConfigurationMember[], options as object).then(
        () => 'not at all',
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      );
    for (const set of [
      undefined,
      [],
      Array.from({ length: 8 }, (_, at) => ({ id: `${at}`, address: `h:${at + 1}` })),
    ])
      expect(await refused(set)).toMatch(/^ERR_SYNOD_ARGUMENT members: expected a list/);
    for (const options of [null, 1])
      expect(await refused(members, options)).toMatch(/^ERR_SYNOD_ARGUMENT options: expected an object/);
    expect(await refused([{ id: 'no space', address: 'h:1' }])).toMatch(/members\[0\]\.id/);
    expect(await refused([members[0], null])).toMatch(/members\[1\]\.id/);
    expect(await refused([{ id: 'a', address: 'h:0' }])).toMatch(/members\[0\]\.address/);
    expect(await refused([{ id: 'a', address: 7 }])).toMatch(/members\[0\]\.address/);
    expect(await refused([members[0], { ...members[1], id: 'a' }])).toMatch(/an id of its own/);
    expect(await refused([members[0], { ...members[0], id: 'b' }])).toMatch(/an address of its own/);
    const long = Array.from({ length: 7 }, (_, at) => ({
      id: `${at}`.repeat(63),
      address: `${'h.'.repeat(120)}x:${at + 1}`,
    }));
    expect(await refused(long)).toMatch(/bytes too long/);
    expect(await refused(members, { cookie: 'text' })).toMatch(/cookie: expected a Uint8Array/);
    expect(await refused(members, { cookie: new Uint8Array(8193) })).toMatch(
      /cookie: 8193 bytes, the bound is 8192/,
    );
    expect(await refused(members, { force: 1 })).toMatch(/force/);
  });

  it('for good where the replica is closed: what becomes of it is unknown', async () => {
    const all = await addressesOf('a', 'b');
    const [{ replica }] = (await cluster(all.slice(0, 1))) as [Node];
    const waiting = expect(replica.changeConfiguration(all)).rejects.toMatchObject({
      code: 'ERR_SYNOD_CLOSED',
      outcome: 'unknown',
    });
    await replica.close();
    await waiting;
    await expect(replica.changeConfiguration(all)).rejects.toMatchObject({ outcome: 'not-applied' });
  });
});

describe('a change that is forced', () => {
  it('names members that come later, which are let in when they do', async () => {
    const all = await addressesOf('a', 'b', 'c', 'd');
    const nodes = await cluster(all.slice(0, 3));
    const { replica } = await primaryOf(nodes);
    expect(await replica.changeConfiguration(all, { force: true })).toBe(2);
    const d = await open(all[3]!, all);
    await until('d votes', () => d.replica.role === 'secondary');
    await d.replica.replicate(bytesOf('by d'));
    expect(d.replica.configuration?.number).toBe(3);
  });

  it('is refused all the same where too few could ever vote', async () => {
    const all = await addressesOf('a', 'b', 'c');
    const [{ replica }] = (await cluster(all.slice(0, 1), { electionTimeoutMs: 50 })) as [Node];
    await expect(replica.changeConfiguration(all, { force: true })).rejects.toMatchObject({
      code: 'ERR_SYNOD_NO_QUORUM',
    });
  });
});
