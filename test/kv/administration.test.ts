/**
 * Aim: what an operator asks of a running replica through the key-value service: every request does what it says, or is refused in
 * words that tell whether anything was changed, and changes are taken only from where they may come.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { SynodError } from '../../src/errors.js';
import type {
  BootstrapOptions,
  BootstrapResult,
  ChangeOptions,
  ConfigurationMember,
  MemberSet,
} from '../../src/index.js';
import {
  type AdministrativeRequest,
  isLoopback,
  isOfThisMachine,
  parseAdministration,
} from '../../src/kv/administration.js';
import type { ReplicaLike } from '../../src/kv/replica-like.js';
import type { KeyValueServerOptions } from '../../src/kv/server-options.js';
import { InstantReplica } from './fake-replica.js';
import { closeAll, connect, serve } from './serve.js';

afterEach(closeAll);

const members = [
  { id: 'a', address: 'h:1' },
  { id: 'b', address: 'h:2' },
];

/** Notes what it is asked to do. */
class Administered extends InstantReplica implements ReplicaLike {
  configuration: MemberSet | null = { number: 4, members, cookie: Buffer.from('kept'), version: 1 };
  readonly asked: unknown[] = [];
  failure: SynodError | null = null;

  async changeConfiguration(next: readonly ConfigurationMember[], options?: ChangeOptions): Promise<number> {
    this.asked.push({ next, ...options });
    if (this.failure !== null) throw this.failure;
    return 5;
  }
  async promote(options?: object): Promise<void> {
    this.asked.push({ promote: options });
  }
  async bootstrap(
    list: readonly ConfigurationMember[],
    options?: BootstrapOptions,
  ): Promise<BootstrapResult> {
    this.asked.push({ bootstrap: list, ...options });
    return this.configuration === null ? 'bootstrapped' : 'already-bootstrapped';
  }
  async raiseProtocolVersion(options?: object): Promise<number> {
    this.asked.push({ raise: options });
    return 2;
  }
  override async status(): ReturnType<InstantReplica['status']> {
    const peers = [
      { id: 'b', connected: true, lag: null, versionMax: 2 },
      { id: 'c', connected: false, lag: null, versionMax: null },
    ];
    return { ...(await super.status()), version: { inForce: 2, max: 3 }, peers };
  }
  async relinquish(options?: object): Promise<string> {
    this.asked.push({ relinquish: options });
    return 'b';
  }
}

async function administered(options: KeyValueServerOptions = {}) {
  const { replica, port } = await serve((machine) => new Administered(machine), options);
  const client = await connect(port);
  const ask = async (...words: string[]): Promise<unknown> => {
    const reply = await client.ask('SYNOD', ...words);
    return typeof reply === 'string' ? JSON.parse(reply) : (reply as { error: string }).error;
  };
  return { replica, ask };
}

describe('requests', () => {
  it.each<[string, AdministrativeRequest | null]>([
    ['status', { kind: 'status' }],
    ['Health', { kind: 'health' }],
    ['MEMBERS', { kind: 'members' }],
    ['MEMBER ADD d h:4', { kind: 'add', id: 'd', address: 'h:4', force: false }],
    ['member add d h:4 force', { kind: 'add', id: 'd', address: 'h:4', force: true }],
    ['member remove force', { kind: 'remove', id: 'force', force: false }],
    ['member remove b FORCE', { kind: 'remove', id: 'b', force: true }],
    ['member replace b c h:3', { kind: 'replace', id: 'b', by: 'c', address: 'h:3', force: false }],
    ['bootstrap a h:1', { kind: 'bootstrap', members: [{ id: 'a', address: 'h:1' }] }],
    ['bootstrap a h:1 b h:2', { kind: 'bootstrap', members }],
    ['bootstrap a h:1 b h:2 timeout 120000', { kind: 'bootstrap', members, timeoutMs: 120_000 }],
    ['bootstrap timeout h:1', { kind: 'bootstrap', members: [{ id: 'timeout', address: 'h:1' }] }],
    ['bootstrap TIMEOUT 5', null],
    ['bootstrap a h:1 TIMEOUT', null],
    ['promote', { kind: 'promote', force: false }],
    ['promote force', { kind: 'promote', force: true }],
    ['relinquish', { kind: 'relinquish', to: null }],
    ['relinquish c', { kind: 'relinquish', to: 'c' }],
    ['status now', null],
    ['member', null],
    ['member add d', null],
    ['member add d h:4 please', null],
    ['member remove b force force', null],
    ['member move b', null],
    ['bootstrap', null],
    ['bootstrap a', null],
    ['promote b', null],
    ['relinquish b c', null],
    ['constructor', null],
  ])('%s', (text, request) => {
    expect(parseAdministration(text.split(' '))).toEqual(request);
  });
});

describe('the member set', () => {
  it('is changed in the place of the one that was looked at, and keeps its cookie', async () => {
    const { replica, ask } = await administered();
    const next = [...members, { id: 'd', address: 'h:4' }];
    expect(await ask('MEMBER', 'ADD', 'd', 'h:4')).toEqual({ number: 5, members: next, changed: true });
    await ask('MEMBER', 'REMOVE', 'a', 'FORCE');
    await ask('MEMBER', 'REPLACE', 'b', 'c', 'h:3');
    await ask('MEMBER', 'REPLACE', 'b', 'b', 'h:9');
    const common = { force: false, ifNumber: 4, cookie: Buffer.from('kept') };
    expect(replica.asked).toEqual([
      { ...common, next },
      { ...common, next: [members[1]], force: true },
      { ...common, next: [members[0], { id: 'c', address: 'h:3' }] },
      { ...common, next: [members[0], { id: 'b', address: 'h:9' }] },
    ]);
  });

  it('is given by bootstrap, which changes nothing where there is one', async () => {
    const { replica, ask } = await administered();
    expect(await ask('BOOTSTRAP', 'a', 'h:1', 'b', 'h:2')).toEqual({ number: 4, members, changed: false });
    expect(replica.asked).toEqual([{ bootstrap: members }]);
  });

  it('is waited for at bootstrap as long as was asked', async () => {
    const { replica, ask } = await administered();
    await ask('BOOTSTRAP', 'a', 'h:1', 'b', 'h:2', 'TIMEOUT', '120000');
    expect(replica.asked).toEqual([{ bootstrap: members, timeoutMs: 120_000 }]);
  });

  it('is shown, and stays as it is where nothing would change', async () => {
    const { replica, ask } = await administered();
    expect(await ask('MEMBERS')).toEqual({ number: 4, members });
    expect(await ask('MEMBER', 'ADD', 'b', 'h:2')).toEqual({ number: 4, members, changed: false });
    expect(replica.asked).toEqual([]);
    replica.configuration = null;
    expect(await ask('MEMBERS')).toEqual({ number: 0, members: [] });
  });

  it.each([
    [['ADD', 'b', 'h:9'], /^ERR "b" is a member already, at h:2/],
    [['REMOVE', 'x'], /^ERR "x" is not in the member set 4 \(a, b\)/],
    [['REPLACE', 'x', 'c', 'h:3'], /^ERR "x" is not in the member set/],
    [['REPLACE', 'a', 'b', 'h:3'], /^ERR "b" is a member already/],
  ] as const)('is not changed by %s', async (words, message) => {
    const { replica, ask } = await administered();
    expect(await ask('MEMBER', ...words)).toMatch(message);
    expect(replica.asked).toEqual([]);
  });

  it('keeps its only member, and is none before there is one', async () => {
    const { replica, ask } = await administered();
    replica.configuration = { number: 1, members: [members[0]!], cookie: null, version: 1 };
    expect(await ask('MEMBER', 'REMOVE', 'a')).toMatch(/only member/);
    replica.configuration = null;
    expect(await ask('MEMBER', 'REMOVE', 'a')).toMatch(/^ERR .*ERR_SYNOD_INACTIVE/);
  });

  it('says whether anything may have been changed', async () => {
    const { replica, ask } = await administered();
    replica.failure = new SynodError('ERR_SYNOD_NO_QUORUM', 'not linked: d', { outcome: 'not-applied' });
    expect(await ask('MEMBER', 'ADD', 'd', 'h:4')).toBe('ERR not linked: d (ERR_SYNOD_NO_QUORUM)');
    replica.failure = new SynodError('ERR_SYNOD_FENCED', 'gone\r\nfor good', { outcome: 'unknown' });
    expect(await ask('MEMBER', 'ADD', 'd', 'h:4')).toBe('UNKNOWN gone for good (ERR_SYNOD_FENCED)');
  });
});

describe('who leads', () => {
  it('is changed as asked', async () => {
    const { replica, ask } = await administered();
    expect(await ask('PROMOTE')).toEqual({ primary: 'a' });
    expect(await ask('PROMOTE', 'FORCE')).toEqual({ primary: 'a' });
    expect(await ask('RELINQUISH')).toEqual({ primary: 'b' });
    expect(await ask('RELINQUISH', 'b')).toEqual({ primary: 'b' });
    expect(replica.asked).toEqual([
      { promote: { evenIfBehind: false } },
      { promote: { evenIfBehind: true } },
      { relinquish: {} },
      { relinquish: { to: 'b' } },
    ]);
  });

  it('is not changed by a replica that cannot', async () => {
    const { port } = await serve((machine) => new InstantReplica(machine));
    const client = await connect(port);
    expect(((await client.ask('SYNOD', 'PROMOTE')) as { error: string }).error).toMatch(
      /^ERR .*no administrative/,
    );
  });
});

describe('the version of the protocol', () => {
  it('is shown, and raised as asked', async () => {
    const { replica, ask } = await administered();
    const shown = { version: 2, builds: { a: 3, b: 2, c: null } };
    expect(await ask('VERSION')).toEqual(shown);
    expect(await ask('VERSION', 'RAISE')).toEqual(shown);
    expect(await ask('version', 'raise', '2')).toEqual(shown);
    expect(replica.asked).toEqual([{ raise: {} }, { raise: { version: 2 } }]);
    for (const wrong of [['0'], ['x'], ['2', '3'], ['-1']])
      expect(await ask('VERSION', 'RAISE', ...wrong)).toMatch(/^ERR/);
    expect(await ask('VERSION', 'LOWER')).toMatch(/^ERR/);
  });

  it('is not changed where nobody may change anything', async () => {
    const { replica, ask } = await administered({ administration: 'none' });
    expect(await ask('VERSION', 'RAISE')).toEqual(expect.stringMatching(/^NOPERM/));
    expect(await ask('VERSION')).toMatchObject({ version: 2 });
    expect(replica.asked).toEqual([]);
  });
});

describe('changes', () => {
  it('are taken from this machine alone, unless it says otherwise', async () => {
    const none = await administered({ administration: 'none' });
    expect(await none.ask('MEMBER', 'REMOVE', 'b')).toEqual(expect.stringMatching(/^NOPERM/));
    expect(await none.ask('PROMOTE')).toEqual(expect.stringMatching(/^NOPERM/));
    expect(await none.ask('RELINQUISH')).toEqual(expect.stringMatching(/^NOPERM/));
    expect(none.replica.asked).toEqual([]);
    expect(await none.ask('MEMBERS')).toMatchObject({ number: 4 });
    expect(await none.ask('HEALTH')).toEqual([]);
    const any = await administered({ administration: 'any' });
    expect(await any.ask('MEMBER', 'REMOVE', 'b')).toMatchObject({ number: 5 });
  });

  it.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['127.0.0.1.example.org', false],
    ['', false],
    [undefined, false],
  ])('%s is of this machine: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected);
    expect(isOfThisMachine(address, '10.0.0.2')).toBe(expected);
  });

  it.each([
    ['10.0.0.1', '10.0.0.1', true],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '::FFFF:10.0.0.1', true],
    ['fd00::2', 'fd00::2', true],
    ['10.0.0.1', '10.0.0.11', false],
    ['10.0.0.11', '10.0.0.1', false],
    ['', '', false],
    [undefined, undefined, false],
    ['10.0.0.1', undefined, false],
  ])('from %s to %s are of this machine: %s', (remote, local, expected) => {
    expect(isOfThisMachine(remote, local)).toBe(expected);
  });
});
