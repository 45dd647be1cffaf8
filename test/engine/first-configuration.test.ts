/**
 * Aim: who the first configuration is to have is recorded before it is told, taken once by a disk, and drawn up only where everyone on
 * the list holds it (docs/protocol.md, "Bootstrap"). Method: one replica's part, with links, log and protocol that only take notes.
 */

import { describe, expect, it } from 'vitest';
import {
  type BootstrapOutcome,
  FirstConfiguration,
  type FirstConfigurationOptions,
} from '../../src/engine/first-configuration.js';
import type { Link } from '../../src/engine/links.js';
import { type Configuration, genesisConfiguration } from '../../src/protocol/configuration.js';
import { decodeMemberList, encodeMemberList, type ListedMember } from '../../src/wire/configuration-codec.js';
import { FrameError, FrameKind, type ProtocolVersions } from '../../src/wire/frame.js';
import { incarnationOf } from '../protocol/harness.js';

const listOf = (ids: string): ListedMember[] => [...ids].map((id) => ({ id, address: `${id}:1` }));
const firstOf = (ids: string): Configuration =>
  genesisConfiguration([...ids].map((id) => ({ id, incarnation: incarnationOf(id), address: `${id}:1` })));

interface Setup {
  readonly named?: string;
  readonly recorded?: string;
  readonly genesis?: string;
  readonly versions?: ProtocolVersions;
}

/** The part of replica `id`. */
class Part {
  readonly lines: string[] = [];
  readonly outcomes: BootstrapOutcome[] = [];
  readonly links = new Map<string, Link>();
  durable = 10;
  primary = 0;
  hasRoom = true;
  drawnUp: Configuration | null = null;
  readonly first: FirstConfiguration;
  #sequence = 10;

  constructor(id: string, { named = '', recorded, genesis, versions = { min: 1, max: 1 } }: Setup = {}) {
    const options = {
      parts: {
        options: {
          replica: id,
          versions,
          members: [...named].map((one) => ({ id: one, address: { host: one, port: 1 } })),
        },
        recovered: {
          genesis: genesis === undefined ? null : firstOf(genesis),
          list: recorded === undefined ? null : listOf(recorded),
        },
        emit: ({ outcome }: { outcome: BootstrapOutcome }) => void this.outcomes.push(outcome),
        now: () => 0,
        schedule: () => {},
      },
      core: {
        step: ({ message }: { message: { configuration: Configuration } }) => {
          this.drawnUp = message.configuration;
        },
      },
      log: { hasRoom: () => this.hasRoom },
      sender: {
        send: (link: Link) => void this.lines.push(`${link.peer!.id}: genesis`),
        sendPlain: (link: Link, kind: number, payload: Uint8Array) => {
          const ids = decodeMemberList(payload)!.map((member) => member.id);
          const name = kind === FrameKind.invite ? 'invite' : 'enrolled';
          this.lines.push(`${link.peer!.id}: ${name} ${ids.join('')}`);
        },
      },
      incarnation: incarnationOf(id),
      links: () => this.links,
      record: (payload: Uint8Array) => {
        this.lines.push(
          `record ${decodeMemberList(payload)!
            .map((member) => member.id)
            .join('')}`,
        );
        this.#sequence += 1;
        return this.#sequence;
      },
      onList: () => {},
    };
    Object.defineProperty(options.log, 'durable', { get: () => this.durable });
    Object.defineProperty(options.core, 'primary', { get: () => this.primary });
    this.first = new FirstConfiguration(options as unknown as FirstConfigurationOptions);
    this.first.tellWhatIsDurable();
  }

  up(id: string, hasGenesis = false, { min, max }: ProtocolVersions = { min: 1, max: 1 }): Link {
    const peer = { id, incarnation: incarnationOf(id), hasGenesis, versionMin: min, versionMax: max };
    const link = { peer } as unknown as Link;
    this.links.set(id, link);
    this.first.onLinkUp(link);
    return link;
  }

  hear(id: string, kind: 'invite' | 'enrolled', ids: string): void {
    this.first.onFrame(this.links.get(id)!, FrameKind[kind], encodeMemberList(listOf(ids)));
  }

  /** Everything that was recorded is durable now. */
  sync(): void {
    this.durable = this.#sequence;
    this.first.tellWhatIsDurable();
  }

  bootstrap(ids: string, timeoutMs = 1000): void {
    this.first.bootstrap({ request: 1, members: listOf(ids), timeoutMs }, 0);
  }

  take(): string[] {
    return this.lines.splice(0);
  }
}

describe('a list', () => {
  it('is told only once its record is durable, to all that are linked and to who links up later', () => {
    const b = new Part('b');
    b.up('a');
    b.bootstrap('ab');
    b.first.tick(0);
    // Something before it became durable.
    b.first.tellWhatIsDurable();
    expect(b.take()).toEqual(['record ab']);
    b.sync();
    expect(b.take()).toEqual(['a: enrolled ab']);
    b.up('c');
    expect(b.take()).toEqual(['c: enrolled ab']);
  });

  it('goes out as an invitation to who has not told the same, again and again', () => {
    const b = new Part('b', { recorded: 'abc' });
    b.up('a');
    expect(b.take()).toEqual(['a: enrolled abc', 'a: invite abc']);
    b.first.tick(10);
    expect(b.take()).toEqual(['a: invite abc']);
    b.first.tick(200);
    expect(b.take()).toEqual([]);
    b.hear('a', 'enrolled', 'abc');
    b.first.tick(1000);
    expect(b.take()).toEqual([]);
    b.links.delete('a');
    b.up('a');
    expect(b.take()).toContain('a: invite abc');
  });

  it('is taken by who has none, and by nobody twice', () => {
    const a = new Part('a');
    a.up('b');
    a.hear('b', 'invite', 'ab');
    expect(a.take()).toEqual(['record ab']);
    a.hear('b', 'invite', 'ab');
    expect(a.take()).toEqual([]);
    a.sync();
    a.take();
    a.up('c');
    a.take();
    a.hear('c', 'invite', 'ac');
    expect(a.take()).toEqual(['c: enrolled ab']);
    a.bootstrap('ac');
    expect(a.outcomes).toEqual([{ kind: 'conflict', id: 'a', ids: ['a', 'b'] }]);
    expect(a.take()).toEqual([]);
  });

  it('is asked for again where the log had no room for it', () => {
    const a = new Part('a');
    a.up('b');
    a.hasRoom = false;
    a.hear('b', 'invite', 'ab');
    a.bootstrap('ab');
    expect(a.take()).toEqual([]);
    expect(a.outcomes).toEqual([{ kind: 'timeout', missing: ['a'] }]);
    a.hasRoom = true;
    a.hear('b', 'invite', 'ab');
    expect(a.take()).toEqual(['record ab']);
  });

  it('that does not name both ends, or is none, is a fault of the peer', () => {
    const a = new Part('a');
    const link = a.up('b');
    expect(() => a.hear('b', 'invite', 'ac')).toThrow(FrameError);
    expect(() => a.hear('b', 'invite', 'bc')).toThrow(FrameError);
    expect(() => a.first.onFrame(link, FrameKind.enrolled, new Uint8Array(3))).toThrow(FrameError);
    expect(a.take()).toEqual([]);
  });

  it('of the options is told, and nobody is invited to it', () => {
    const a = new Part('a', { named: 'ab' });
    a.up('b');
    a.first.tick(0);
    expect(a.take()).toEqual(['b: enrolled ab']);
  });
});

describe('the first configuration', () => {
  it('is drawn up by the least id once everyone has told the same list', () => {
    const a = new Part('a', { recorded: 'abc' });
    a.up('b');
    a.up('c');
    a.hear('b', 'enrolled', 'cba');
    a.first.tick(0);
    expect(a.drawnUp).toBe(null);
    a.hear('c', 'enrolled', 'abc');
    expect(a.drawnUp).toEqual(firstOf('abc'));
    expect(a.first.genesis).toEqual(firstOf('abc'));
  });

  it.each([
    ['what all of them speak', [1, 2], [1, 3], [1, 2], 2],
    ['the first, where one speaks no other', [1, 3], [1, 3], [1, 1], undefined],
    ['none, where they have none in common', [1, 2], [1, 3], [3, 3], null],
  ] as const)('is under the highest version that is spoken by all: %s', (_, own, second, third, version) => {
    const of = ([min, max]: readonly [number, number]): ProtocolVersions => ({ min, max });
    const a = new Part('a', { recorded: 'abc', versions: of(own) });
    a.up('b', false, of(second));
    a.up('c', false, of(third));
    a.hear('b', 'enrolled', 'abc');
    a.hear('c', 'enrolled', 'abc');
    if (version === null) expect(a.drawnUp).toBe(null);
    else expect(a.drawnUp!.version).toBe(version);
  });

  it.each([
    ['another id is less', 'b', 'ac', ['enrolled abc', 'enrolled abc'], false],
    ['somebody told another list', 'a', 'bc', ['enrolled abc', 'enrolled bc'], false],
    ['somebody told nothing', 'a', 'bc', ['enrolled abc', ''], false],
    ['somebody knows one', 'a', 'bc', ['enrolled abc', 'enrolled abc'], true],
  ] as const)('is not drawn up where %s', (_, own, peers, told, knows) => {
    const part = new Part(own, { recorded: 'abc' });
    for (const [at, id] of [...peers].entries()) {
      part.up(id, knows && at === 1);
      const [kind, ids] = told[at]!.split(' ');
      if (kind === 'enrolled') part.hear(id, 'enrolled', ids!);
    }
    part.first.tick(1000);
    expect(part.drawnUp).toBe(null);
  });

  it('is not drawn up by what a link told that is gone', () => {
    const a = new Part('a', { recorded: 'ab' });
    const before = new Part('a', { recorded: 'abc' });
    before.up('b');
    before.hear('b', 'enrolled', 'abc');
    before.first.onLinkDown(before.links.get('b')!);
    before.up('b');
    before.up('c');
    before.hear('c', 'enrolled', 'abc');
    expect(before.drawnUp).toBe(null);
    a.up('b');
    a.hear('b', 'enrolled', 'ab');
    expect(a.drawnUp).not.toBe(null);
  });

  it('is not drawn up before the own list is durable', () => {
    const a = new Part('a');
    a.bootstrap('ab');
    a.up('b');
    a.hear('b', 'enrolled', 'ab');
    a.first.tick(0);
    expect(a.drawnUp).toBe(null);
    a.sync();
    a.first.tick(10);
    expect(a.drawnUp).toEqual(firstOf('ab'));
  });

  it('of other ids is not taken by who holds a list, and is by who has it from the options', () => {
    const a = new Part('a', { recorded: 'ab' });
    a.bootstrap('ab');
    expect(a.first.admits(firstOf('abc'))).toBe(false);
    expect(a.first.genesis).toBe(null);
    expect(a.outcomes).toEqual([{ kind: 'otherwise', ids: ['a', 'b', 'c'] }]);
    expect(a.first.admits(firstOf('ba'))).toBe(true);
    expect(new Part('a', { named: 'ab' }).first.admits(firstOf('abc'))).toBe(true);
    expect(new Part('a').first.admits(firstOf('bc'))).toBe(true);
  });

  it('is given to who asks to be part of another, once it is durable', () => {
    const a = new Part('a');
    a.first.admits(firstOf('ab'));
    a.up('c');
    a.hear('c', 'invite', 'ac');
    expect(a.take()).toEqual([]);
    a.first.onAllDurable();
    a.hear('c', 'invite', 'ac');
    expect(a.take()).toEqual(['c: genesis']);
    a.up('d');
    a.up('e', true);
    expect(a.take()).toEqual(['d: genesis']);
  });
});

describe('a call', () => {
  it('is answered when there is a primary, and at once where the member set was there before', () => {
    const a = new Part('a');
    a.bootstrap('a');
    a.sync();
    a.first.tick(10);
    expect(a.drawnUp).toEqual(firstOf('a'));
    expect(a.outcomes).toEqual([]);
    a.primary = 1;
    a.first.tick(20);
    expect(a.outcomes).toEqual([{ kind: 'bootstrapped' }]);
    a.bootstrap('a');
    a.bootstrap('ab');
    expect(a.outcomes.slice(1)).toEqual([{ kind: 'already' }, { kind: 'otherwise', ids: ['a'] }]);
  });

  it('is told who is missing when its time is over, and who holds another list', () => {
    const a = new Part('a');
    a.bootstrap('abcd', 100);
    a.sync();
    a.up('b');
    a.up('c');
    a.hear('b', 'enrolled', 'abcd');
    a.first.tick(99);
    expect(a.outcomes).toEqual([]);
    a.first.tick(100);
    expect(a.outcomes).toEqual([{ kind: 'timeout', missing: ['c', 'd'] }]);
    a.bootstrap('abcd', 100);
    a.hear('c', 'enrolled', 'cd');
    expect(a.outcomes.slice(1)).toEqual([{ kind: 'conflict', id: 'c', ids: ['c', 'd'] }]);
  });
});
