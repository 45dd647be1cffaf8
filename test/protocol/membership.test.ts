/** The first configuration, replicas that come back with another disk, and configurations that are over (rules 7 and 8). */

import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/protocol/configuration.js';
import { readmit, UNKNOWN_DISK } from '../../src/protocol/configuration.js';
import {
  b,
  configurationDecree,
  configurationOf,
  decree,
  incarnationOf,
  noop,
  Scene,
  statusReply,
} from './harness.js';

const outsider = 65_540;
/** Replica c came back with another disk and is member 4. */
const second: Configuration = readmit(configurationOf(3), 'c', incarnationOf('c', 2));

describe('the first configuration', () => {
  it('is recorded and put into force where there was none', () => {
    const scene = new Scene({ size: 0, id: 'b' });
    expect(scene.role).toBe('inactive');
    expect(scene.receive(outsider, { kind: 'genesis', configuration: configurationOf(3) }, 0)).toEqual([
      'append 1: genesis 1=a 2=b 3=c',
      'configuration 1: 1=a 2=b 3=c, self 2',
      'status: secondary, primary 0, ballot -',
    ]);
  });

  it('is passed on once it is durable: its author may die before it has told everyone', () => {
    const scene = new Scene({ size: 0, id: 'b', linked: [outsider, outsider + 1] });
    scene.receive(outsider, { kind: 'genesis', configuration: configurationOf(3) }, 0);
    expect(scene.wait(50)).toEqual([]);
    expect(scene.durable()).toEqual([
      `send ${outsider}: genesis 1=a 2=b 3=c`,
      `send ${outsider + 1}: genesis 1=a 2=b 3=c`,
    ]);
    scene.receive(1, { kind: 'prepare', ballot: b(1, 1), from: 1 });
    expect(scene.durable().filter((line) => line.includes('genesis'))).toEqual([]);
  });

  it('makes a learner of a replica whose disk it does not name', () => {
    const scene = new Scene({ size: 0, id: 'b', life: 2 });
    expect(scene.receive(outsider, { kind: 'genesis', configuration: configurationOf(3) }, 0)).toEqual([
      'append 1: genesis 1=a 2=b 3=c',
      'configuration 1: 1=a 2=b 3=c, self 0',
      'status: learner, primary 0, ballot -',
    ]);
  });

  it('is ignored where there is one', () => {
    const scene = new Scene();
    expect(scene.receive(2, { kind: 'genesis', configuration: configurationOf(5) })).toEqual([]);
  });

  it('is all that an inactive replica listens to, and nothing heard before is taken for a chosen slot', () => {
    const scene = new Scene({ size: 0, id: 'b' });
    scene.feed({ kind: 'peer-up', peer: outsider });
    expect(scene.receive(outsider, { kind: 'status-query', round: 1 }, 1)).toEqual([]);
    expect(scene.wait(1000)).toEqual([]);
    scene.receive(outsider, { kind: 'genesis', configuration: configurationOf(3) }, 0);
    scene.feed({ kind: 'peer-down', peer: outsider });
    scene.feed({ kind: 'peer-up', peer: 3 });
    // Nothing was chosen yet: there is nothing to fetch.
    scene.receive(3, { kind: 'status-query', round: 2 });
    expect(scene.wait(200).filter((line) => line.includes('fetch'))).toEqual([]);
  });
});

describe('a replica with another disk', () => {
  it('asks every link to be let in, once per election timeout', () => {
    const scene = new Scene({ id: 'c', life: 2, linked: [1, 2] });
    expect(scene.role).toBe('learner');
    expect(scene.wait(10)).toEqual(['send 1: join c: chosen 0', 'send 2: join c: chosen 0']);
    expect(scene.wait(290)).toEqual([]);
    expect(scene.wait(10)).toEqual(['send 1: join c: chosen 0', 'send 2: join c: chosen 0']);
  });

  it('fetches what it is told of, and asks again as soon as it has caught up', () => {
    const scene = new Scene({ id: 'c', life: 2, linked: [1, 2] });
    scene.wait(10);
    expect(scene.receive(1, { kind: 'defunct', chosen: 2 })).toEqual(['send 1: fetch from 1']);
    scene.receive(1, { kind: 'learn', slot: 1, ballot: b(1, 1), decree: decree('x') });
    scene.receive(1, { kind: 'learn', slot: 2, ballot: b(1, 1), decree: decree('y') });
    // Under load, what it knows an election timeout later would be too old to be let in with.
    expect(scene.receive(1, { kind: 'fetch-end', through: 2, chosen: 2 })).toEqual([
      'send 1: join c: chosen 2',
      'send 2: join c: chosen 2',
    ]);
    // Once: the rest is up to the timer.
    expect(scene.receive(1, { kind: 'defunct', chosen: 3 })).toEqual(['send 1: fetch from 3']);
    scene.receive(1, { kind: 'learn', slot: 3, ballot: b(1, 1), decree: decree('z') });
    expect(scene.receive(1, { kind: 'fetch-end', through: 3, chosen: 3 })).toEqual([]);
  });

  it('gives no vote', () => {
    const scene = new Scene({ id: 'c', life: 2, linked: [1, 2] });
    expect(scene.receive(1, { kind: 'prepare', ballot: b(2, 1), from: 1 })).toEqual([]);
    expect(
      scene.receive(1, { kind: 'accept', ballot: b(2, 1), slot: 1, chosen: 0, decree: decree('x') }),
    ).toEqual([]);
    expect(scene.receive(1, { kind: 'status-query', round: 1 })).toEqual([]);
    scene.wait(5000);
    expect(scene.role).toBe('learner');
  });

  it('is a member under its new number once it has learned the configuration that lets it in', () => {
    const scene = new Scene({ id: 'c', life: 2, linked: [1, 2] });
    scene.wait(10);
    const learned = configurationDecree(second);
    expect(scene.receive(1, { kind: 'learn', slot: 1, ballot: b(1, 1), decree: learned })).toEqual([
      'append 1: promise 1.1',
      'append 2: learn 1.1 slot 1 configuration 2',
      'chosen 1',
      'configuration 2: 1=a 2=b 4=c, self 4',
      'status: secondary, primary 0, ballot -',
    ]);
  });

  it('lost its place if the configuration in force names another disk of its', () => {
    const scene = new Scene({ id: 'c' });
    expect(scene.role).toBe('secondary');
    const learned = configurationDecree(second);
    expect(scene.receive(1, { kind: 'learn', slot: 1, ballot: b(1, 1), decree: learned })).toEqual([
      'append 1: promise 1.1',
      'append 2: learn 1.1 slot 1 configuration 2',
      'chosen 1',
      'configuration 2: 1=a 2=b 4=c, self 0',
      'status: learner, primary 0, ballot -',
    ]);
  });
});

describe('the primary lets a replica in again', () => {
  const join = { kind: 'join', id: 'c', incarnation: incarnationOf('c', 2), chosen: 0, former: 0 } as const;

  it('by a configuration decree, once its old disk is gone and a quorum lives without it', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    const effects = scene.receive(outsider, join);
    expect(effects).toEqual([
      `send ${outsider}: defunct: chosen 0`,
      'append 2: accept 1.1 slot 1 configuration 2',
      'send 2: accept 1.1: slot 1 configuration 2, chosen 0',
    ]);
    expect(scene.replica.canPropose).toBe(false);
  });

  it('not while the old disk is linked', () => {
    const scene = new Scene().toPrimary();
    expect(scene.receive(outsider, join)).toEqual([`send ${outsider}: defunct: chosen 0`]);
  });

  it('not where no quorum would live without the newcomer', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    scene.feed({ kind: 'peer-down', peer: 2 });
    expect(scene.receive(outsider, join)).toEqual([`send ${outsider}: defunct: chosen 0`]);
  });

  it('not one that is far behind', () => {
    const scene = new Scene({ chosen: 17 }).toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    expect(scene.receive(outsider, join)).toEqual([`send ${outsider}: defunct: chosen 17`]);
    expect(scene.receive(outsider, { ...join, chosen: 1 })).toContain(
      'append 2: accept 1.1 slot 18 configuration 2',
    );
  });

  it('not one that nobody knows, nor one whose disk is a member', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    const answer = [`send ${outsider}: defunct: chosen 0`];
    expect(scene.receive(outsider, { ...join, id: 'x' })).toEqual(answer);
    expect(scene.receive(outsider, { ...join, incarnation: incarnationOf('c') })).toEqual(answer);
  });

  it('never its own name', () => {
    const scene = new Scene().toPrimary();
    expect(scene.receive(outsider, { ...join, id: 'a', incarnation: incarnationOf('a', 2) })).toEqual([
      `send ${outsider}: defunct: chosen 0`,
    ]);
  });

  it('not two at a time', () => {
    const scene = new Scene({ size: 5 }).toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    scene.feed({ kind: 'peer-down', peer: 4 });
    scene.receive(outsider, join);
    const other = { ...join, id: 'd', incarnation: incarnationOf('d', 2) };
    expect(scene.receive(outsider + 1, other)).toEqual([`send ${outsider + 1}: defunct: chosen 0`]);
  });

  it('under the number that its disk had, where its place waits for any disk: it may be in the middle of a session', () => {
    // c was taken out, and put back by force while nobody was linked to it.
    const configuration = {
      number: 3,
      members: [...configurationOf(3).members.slice(0, 2), { number: 4, id: 'c', incarnation: UNKNOWN_DISK }],
      nextMember: 5,
    };
    const admitted = (former: number): readonly number[] => {
      const scene = new Scene({ configuration, linked: [2] }).toPrimary();
      scene.replica.step(scene.from(outsider, { ...join, former }), scene.now);
      scene.take();
      return scene.replica.accepted.get(1)!.decree.configuration!.members.map(({ number }) => number);
    };
    expect(admitted(3)).toEqual([1, 2, 3]);
    expect(admitted(0), 'a disk that had none').toEqual([1, 2, 5]);
    expect(admitted(2), 'the number of a member').toEqual([1, 2, 5]);
    expect(admitted(9), 'a number that was not given out').toEqual([1, 2, 5]);
    const other = readmit(configurationOf(3), 'c', incarnationOf('c', 2), 3);
    expect(other.members[2]?.number, 'another disk holds the place').toBe(4);
  });

  it('and a secondary only tells how far it is', () => {
    const scene = new Scene({ chosen: 9 });
    scene.feed({ kind: 'peer-down', peer: 3 });
    expect(scene.receive(outsider, join)).toEqual([`send ${outsider}: defunct: chosen 9`]);
  });
});

describe('a configuration takes effect after its own slot', () => {
  it('its primary prepares anew among the new members', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    scene.receive(outsider, {
      kind: 'join',
      id: 'c',
      incarnation: incarnationOf('c', 2),
      chosen: 0,
      former: 0,
    });
    scene.durable();
    expect(scene.receive(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 })).toEqual([
      'chosen 1',
      'send 2: heartbeat 1.1 round 0: chosen 1',
      'configuration 2: 1=a 2=b 4=c, self 1',
      'append 3: promise 2.1',
      'status: preparing, primary 0, ballot -',
    ]);
    scene.feed({ kind: 'peer-up', peer: 4 });
    expect(scene.durable()).toEqual(['send 2: prepare 2.1 from 2', 'send 4: prepare 2.1 from 2']);
  });

  it('and promises of the old members no longer count', () => {
    const scene = new Scene({ size: 5 }).toPreparing();
    scene.durable();
    scene.receive(2, { kind: 'promised', ballot: scene.preparing, entries: 0, chosen: 1 });
    const learned = configurationDecree(readmit(configurationOf(5), 'c', incarnationOf('c', 2)));
    scene.receive(2, { kind: 'learn', slot: 1, ballot: b(1, 2), decree: learned });
    expect(scene.role).toBe('secondary');
    expect(scene.receive(4, { kind: 'promised', ballot: scene.preparing, entries: 0, chosen: 0 })).toEqual(
      [],
    );
  });

  it('claims beyond it are not believed in the same breath', () => {
    const scene = new Scene();
    scene.feedAll(
      scene.from(2, { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0, decree: decree('x') }),
      scene.from(2, {
        kind: 'accept',
        ballot: b(1, 2),
        slot: 2,
        chosen: 0,
        decree: configurationDecree(second),
      }),
    );
    expect(scene.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 2, round: 1 })).toEqual([
      'chosen 2',
      'configuration 2: 1=a 2=b 4=c, self 1',
      'send 2: heartbeat-reply 1.2 round 1: 1 to 0, chosen 2',
    ]);
  });

  it('a new primary stops at an open configuration decree and drops what was accepted behind it', () => {
    const scene = new Scene({ promised: b(1, 3) }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    const entry = { kind: 'promise-entry', ballot, acceptedBallot: b(1, 3) } as const;
    scene.receive(2, { ...entry, slot: 1, decree: configurationDecree(second) });
    scene.receive(2, { ...entry, slot: 2, decree: decree('behind') });
    expect(scene.receive(2, { kind: 'promised', ballot, entries: 2, chosen: 0 })).toEqual([
      'append 2: accept 2.1 slot 1 configuration 2',
      'send 2: heartbeat 2.1 round 0: chosen 0',
      'send 3: heartbeat 2.1 round 0: chosen 0',
      'send 2: accept 2.1: slot 1 configuration 2, chosen 0',
      'status: primary, primary 1, ballot 2.1',
    ]);
    expect(scene.replica.canPropose).toBe(false);
  });

  it('a decree for a configuration that another one has taken the number of becomes a no-op', () => {
    // Five members. Under 1.5, slot 2 had a decree that lets c in again; only member 5 accepted it. Under 1.2, slot 1 got
    // one that lets d in again, and was chosen. Now the first one turns up as an open decree under configuration 2.
    const inForce = readmit(configurationOf(5), 'd', incarnationOf('d', 2));
    const outdated = readmit(configurationOf(5), 'c', incarnationOf('c', 2));
    const scene = new Scene({ configuration: inForce, chosen: 1, promised: b(1, 5) }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    scene.receive(5, {
      kind: 'promise-entry',
      ballot,
      slot: 2,
      acceptedBallot: b(1, 5),
      decree: configurationDecree(outdated),
    });
    scene.receive(5, { kind: 'promised', ballot, entries: 1, chosen: 1 });
    const effects = scene.receive(2, { kind: 'promised', ballot, entries: 0, chosen: 1 });
    expect(scene.role).toBe('primary');
    expect(effects).toContain('append 2: accept 2.1 slot 2 no-op');
    expect(scene.replica.canPropose).toBe(true);
    scene.durable();
    scene.receive(2, { kind: 'accepted', ballot, from: 2, through: 2 });
    expect(scene.receive(5, { kind: 'accepted', ballot, from: 2, through: 2 })).toContain('chosen 2');
    expect(scene.replica.configuration).toBe(inForce);
    expect(noop().bytes).toBe(0);
  });
});

describe('messages across configurations', () => {
  it('whoever missed that every other member was replaced hears of it when it asks around', () => {
    // In the eyes of a, the disks that b and c have now are those of strangers; and in theirs, a's is.
    const scene = new Scene({ linked: [outsider, outsider + 1] });
    expect(scene.wait(300).slice(0, 2)).toEqual([
      `send ${outsider}: status-query round 1`,
      `send ${outsider + 1}: status-query round 1`,
    ]);
    expect(scene.receive(outsider, { kind: 'defunct', chosen: 7 }, 3)).toEqual([
      `send ${outsider}: fetch from 1`,
    ]);
    // The answers of strangers are no votes.
    const reply = statusReply(1);
    scene.receive(outsider, reply);
    scene.receive(outsider + 1, reply);
    expect(scene.role).toBe('candidate');
  });

  it('whoever asks for votes under an older one is told that it is over', () => {
    const scene = new Scene({ configuration: second, chosen: 1 });
    const told = ['send 2: defunct: chosen 1'];
    expect(scene.receive(2, { kind: 'status-query', round: 1 }, 1)).toEqual(told);
    expect(scene.receive(2, { kind: 'prepare', ballot: b(9, 2), from: 1 }, 1)).toEqual(told);
    expect(scene.receive(2, { kind: 'heartbeat', ballot: b(9, 2), chosen: 0, round: 1 }, 1)).toEqual(told);
    expect(scene.replica.promised).toBe(0);
  });

  it('votes under an older one do not count', () => {
    const scene = new Scene({ configuration: second, chosen: 1, id: 'a' }).toPreparing();
    scene.durable();
    expect(scene.receive(2, { kind: 'promised', ballot: scene.preparing, entries: 0, chosen: 1 }, 1)).toEqual(
      [],
    );
    expect(scene.role).toBe('preparing');
  });

  it('what comes under a newer one says that a slot is missing', () => {
    const scene = new Scene();
    const accept = { kind: 'accept', ballot: b(2, 2), slot: 2, chosen: 1, decree: decree('x') } as const;
    expect(scene.receive(2, accept, 2)).toEqual(['send 2: fetch from 1']);
    expect(scene.replica.promised).toBe(0);
  });

  it('votes come only from members', () => {
    const scene = new Scene();
    expect(scene.receive(outsider, { kind: 'prepare', ballot: b(9, 2), from: 1 })).toEqual([]);
    expect(scene.replica.promised).toBe(0);
  });
});
