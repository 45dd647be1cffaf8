/** Suspicion, asking around, and stepping down. An election decides who proposes, and nothing about safety. */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.js';
import { b, configurationDecree, configurationOf, decree, Scene, statusReply } from './harness.js';

const heartbeat = (round: number, member: number): Message => ({
  kind: 'heartbeat',
  ballot: b(round, member),
  chosen: 0,
  round: 0,
});

describe('a secondary', () => {
  it('asks around when it heard nothing for the election timeout', () => {
    const scene = new Scene();
    expect(scene.wait(290)).toEqual([]);
    expect(scene.wait(10)).toEqual([
      'send 2: status-query round 1',
      'send 3: status-query round 1',
      'status: candidate, primary 0, ballot -',
    ]);
  });

  it('waits up to half as long again, as chance has it', () => {
    const scene = new Scene({ random: () => 0.999 });
    scene.wait(440);
    expect(scene.role).toBe('secondary');
    scene.wait(10);
    expect(scene.role).toBe('candidate');
  });

  it('keeps quiet while it hears a primary', () => {
    const scene = new Scene();
    for (let count = 0; count < 20; count += 1) {
      scene.receive(2, heartbeat(1, 2));
      scene.wait(100);
    }
    expect(scene.role).toBe('secondary');
    expect(scene.replica.primary).toBe(2);
  });

  it('asks sooner when the link to the primary broke', () => {
    const scene = new Scene({ random: () => 0.5 }).toSecondaryOf(2);
    expect(scene.feed({ kind: 'peer-down', peer: 2 })).toEqual(['status: secondary, primary 0, ballot 1.2']);
    scene.wait(50);
    expect(scene.role).toBe('secondary');
    scene.wait(10);
    expect(scene.role).toBe('candidate');
  });

  it('asks sooner when the primary resigned, and takes it for alive no more', () => {
    const scene = new Scene({ random: () => 0.5 }).toSecondaryOf(2);
    expect(scene.receive(2, { kind: 'resign', ballot: b(1, 2) })).toEqual([
      'status: secondary, primary 0, ballot -',
    ]);
    expect(scene.receive(3, { kind: 'status-query', round: 1 })).toEqual([
      'send 3: status-reply round 1: promised -, chosen 0, hears no primary',
    ]);
    scene.wait(60);
    expect(scene.role).toBe('candidate');
  });

  it('asks sooner among new members when the old ones were replaced while it stood', () => {
    const scene = new Scene().toCandidate();
    const next = { ...configurationOf(3), number: 2 };
    scene.receive(2, { kind: 'learn', slot: 1, ballot: b(1, 2), decree: configurationDecree(next) });
    expect(scene.role).toBe('secondary');
    scene.wait(10);
    expect(scene.role).toBe('secondary');
    scene.wait(10);
    expect(scene.role).toBe('candidate');
  });

  it('does not ask sooner when somebody resigned that is not its primary', () => {
    const scene = new Scene().toSecondaryOf(2, 2);
    expect(scene.receive(3, { kind: 'resign', ballot: b(1, 3) })).toEqual([]);
    scene.wait(290);
    expect(scene.role).toBe('secondary');
  });

  it('does not ask sooner when another link broke', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.feed({ kind: 'peer-down', peer: 3 });
    scene.wait(290);
    expect(scene.role).toBe('secondary');
  });

  it('hears out what waits in its sockets after its process stood still', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.now += 5000;
    expect(scene.feed({ kind: 'tick' })).toEqual(['status: secondary, primary 0, ballot 1.2']);
    scene.receive(2, heartbeat(1, 2));
    scene.wait(290);
    expect(scene.role).toBe('secondary');
  });

  it('does not stand while it cannot write', () => {
    const scene = new Scene();
    scene.feed({ kind: 'able', able: false });
    scene.wait(2000);
    expect(scene.role).toBe('secondary');
    scene.feed({ kind: 'able', able: true });
    scene.wait(10);
    expect(scene.role).toBe('candidate');
  });

  it('answers who asks around', () => {
    const scene = new Scene({ chosen: 5, promised: b(3, 3) });
    expect(scene.receive(2, { kind: 'status-query', round: 8 })).toEqual([
      'send 2: status-reply round 8: promised 3.3, chosen 5, hears no primary',
    ]);
    scene.receive(3, { kind: 'heartbeat', ballot: b(3, 3), chosen: 5, round: 0 });
    expect(scene.receive(2, { kind: 'status-query', round: 8 })).toEqual([
      'send 2: status-reply round 8: promised 3.3, chosen 5, hears a primary',
    ]);
  });

  it('believes in a primary only while the link to it stands', () => {
    const scene = new Scene().toSecondaryOf(3);
    scene.feed({ kind: 'peer-down', peer: 3 });
    expect(scene.receive(2, { kind: 'status-query', round: 1 })).toEqual([
      'send 2: status-reply round 1: promised -, chosen 0, hears no primary',
    ]);
  });
});

describe('a candidate', () => {
  it('prepares when a quorum hears no primary', () => {
    const scene = new Scene({ size: 5 }).toCandidate();
    expect(scene.receive(2, statusReply(1))).toEqual([]);
    expect(scene.receive(3, statusReply(1))).toEqual([
      'append 1: promise 1.1',
      'status: preparing, primary 0, ballot -',
    ]);
  });

  it('gives up when anyone hears one', () => {
    const scene = new Scene({ size: 5 }).toCandidate();
    scene.receive(2, statusReply(1));
    expect(scene.receive(3, statusReply(1, { primaryAlive: true }))).toEqual([
      'status: secondary, primary 0, ballot -',
    ]);
  });

  it('counts nobody twice and no answers to earlier rounds', () => {
    const scene = new Scene({ size: 5 }).toCandidate();
    scene.receive(2, statusReply(1));
    scene.receive(2, statusReply(1));
    scene.receive(3, statusReply(0));
    expect(scene.role).toBe('candidate');
  });

  it('asks those again that did not answer', () => {
    const scene = new Scene({ size: 5 }).toCandidate();
    scene.receive(3, statusReply(1));
    expect(scene.wait(50)).toEqual([
      'send 2: status-query round 1',
      'send 4: status-query round 1',
      'send 5: status-query round 1',
    ]);
  });

  it('gives up after an election timeout and begins another round later', () => {
    const scene = new Scene().toCandidate();
    scene.wait(290);
    expect(scene.role).toBe('candidate');
    expect(scene.wait(10)).toEqual(['status: secondary, primary 0, ballot -']);
    expect(scene.wait(300)).toContain('send 2: status-query round 2');
  });

  it('learns first where it is far behind: preparing would only stop the others', () => {
    const scene = new Scene().toCandidate();
    expect(scene.receive(2, statusReply(1, { chosen: 5 }))).toEqual([
      'send 2: fetch from 1',
      'status: secondary, primary 0, ballot -',
    ]);
  });

  it('does not mind being a little behind', () => {
    const scene = new Scene().toCandidate();
    scene.receive(2, statusReply(1, { chosen: 4 }));
    expect(scene.role).toBe('preparing');
  });

  it('yields to whoever prepares or leads', () => {
    const first = new Scene().toCandidate();
    first.receive(2, { kind: 'prepare', ballot: b(1, 2), from: 1 });
    expect(first.role).toBe('secondary');
    const second = new Scene().toCandidate();
    second.receive(2, heartbeat(1, 2));
    expect(second.role).toBe('secondary');
    const third = new Scene().toCandidate();
    third.receive(2, { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0, decree: decree('x') });
    expect(third.role).toBe('secondary');
  });
});

describe('a candidate of a lower priority than one that answers', () => {
  const better = statusReply(1, { standing: 101 });

  it('waits for half an election timeout, asks anew, and stands if nobody else did', () => {
    const scene = new Scene().toCandidate();
    expect(scene.receive(2, better)).toEqual([]);
    scene.receive(3, statusReply(1, { standing: 100 }));
    scene.wait(140);
    expect(scene.role).toBe('candidate');
    expect(scene.wait(10)).toEqual(['send 2: status-query round 2', 'send 3: status-query round 2']);
    // It does not wait for that member again.
    scene.receive(2, statusReply(2, { standing: 101 }));
    expect(scene.role).toBe('preparing');
  });

  it('waits in vain at most once until it hears a primary again, however often it begins anew', () => {
    const scene = new Scene().toCandidate();
    scene.receive(2, better);
    scene.wait(140);
    scene.receive(3, statusReply(1, { primaryAlive: true }));
    expect(scene.role).toBe('secondary');
    scene.wait(300);
    scene.receive(2, statusReply(2, { standing: 101 }));
    expect(scene.role).toBe('preparing');
    const another = new Scene().toCandidate();
    another.receive(2, better);
    another.receive(2, heartbeat(1, 2));
    another.wait(300);
    another.receive(2, statusReply(2, { standing: 101 }));
    expect(another.role).toBe('candidate');
  });

  it('waits to the end also where that comes late in its round', () => {
    const scene = new Scene().toCandidate();
    scene.wait(290);
    scene.receive(2, better);
    scene.wait(150);
    scene.receive(2, statusReply(2));
    expect(scene.role).toBe('preparing');
  });

  it('hears meanwhile that there is a primary, and follows whoever stands', () => {
    const scene = new Scene().toCandidate();
    scene.receive(2, better);
    expect(scene.receive(2, { kind: 'prepare', ballot: b(1, 2), from: 1 })).toContain(
      'status: secondary, primary 0, ballot -',
    );
    const stopped = new Scene().toCandidate();
    stopped.receive(2, better);
    stopped.receive(3, statusReply(1, { primaryAlive: true }));
    expect(stopped.role).toBe('secondary');
  });

  it.each([
    ['the same priority', statusReply(1, { standing: 100 }), {}],
    ['more to learn first than a pipeline', statusReply(1, { standing: 101 }), { chosen: 5 }],
  ])('does not wait for one with %s', (_, answer, setting) => {
    const scene = new Scene(setting).toCandidate();
    scene.receive(2, answer);
    expect(scene.role).toBe('preparing');
  });

  it('is of its own priority: one that is to stand by order does not wait', () => {
    const scene = new Scene().toCandidate();
    scene.receive(2, better);
    scene.feed({ kind: 'promote', request: 1, evenIfBehind: false });
    expect(scene.role).toBe('preparing');
    const high = new Scene().toCandidate();
    high.feed({ kind: 'standing', standing: { isStalled: false, isLagging: false, priority: 102 } });
    high.receive(2, better);
    expect(high.role).toBe('preparing');
  });

  it('is told of no standing by one that is unfit, or hears a primary', () => {
    const scene = new Scene();
    scene.feed({ kind: 'standing', standing: { isStalled: true, isLagging: false, priority: 200 } });
    expect(scene.receive(3, { kind: 'status-query', round: 1 })).toEqual([
      'send 3: status-reply round 1: promised -, chosen 0, hears no primary, standing 0',
    ]);
    scene.feed({ kind: 'standing', standing: { isStalled: false, isLagging: false, priority: 200 } });
    expect(scene.receive(3, { kind: 'status-query', round: 2 })).toEqual([
      'send 3: status-reply round 2: promised -, chosen 0, hears no primary, standing 200',
    ]);
    scene.receive(2, heartbeat(1, 2));
    expect(scene.receive(3, { kind: 'status-query', round: 3 })).toEqual([
      'send 3: status-reply round 3: promised -, chosen 0, hears a primary',
    ]);
  });
});

describe('a primary', () => {
  it('steps down when it did not hear from a quorum for an election timeout', () => {
    const scene = new Scene().toPrimary();
    scene.wait(290);
    expect(scene.role).toBe('primary');
    expect(scene.wait(10)).toContain('status: secondary, primary 0, ballot -');
  });

  it('is kept by a quorum that answers', () => {
    const scene = new Scene({ size: 5 }).toPrimary();
    for (let round = 1; round < 10; round += 1) {
      scene.wait(100);
      for (const member of [2, 3])
        scene.receive(member, {
          kind: 'heartbeat-reply',
          ballot: b(1, 1),
          round,
          from: 1,
          through: 0,
          chosen: 0,
          standing: 100,
        });
    }
    expect(scene.role).toBe('primary');
  });

  it('is not judged by a pause of its own process', () => {
    const scene = new Scene().toPrimary();
    scene.now += 5000;
    scene.feed({ kind: 'tick' });
    expect(scene.role).toBe('primary');
    scene.wait(290);
    expect(scene.role).toBe('primary');
    scene.wait(10);
    expect(scene.role).toBe('secondary');
  });

  it('steps down when it cannot write', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'able', able: false });
    scene.wait(10);
    expect(scene.role).toBe('secondary');
  });

  it('yields to a higher ballot, however it hears of it', () => {
    const heard: Message[] = [
      heartbeat(2, 3),
      { kind: 'prepare', ballot: b(2, 3), from: 1 },
      { kind: 'accept', ballot: b(2, 3), slot: 1, chosen: 0, decree: decree('x') },
    ];
    for (const message of heard) {
      const scene = new Scene().toPrimary();
      scene.receive(3, message);
      expect(scene.role).toBe('secondary');
    }
  });

  it('refuses a lower one and stays', () => {
    const scene = new Scene({ promised: b(3, 2) }).toPrimary();
    expect(scene.receive(3, heartbeat(2, 3))).toEqual(['send 3: refuse 2.3: promised 4.1']);
    expect(scene.role).toBe('primary');
  });

  it('says of itself that it is alive', () => {
    const scene = new Scene().toPrimary();
    expect(scene.receive(2, { kind: 'status-query', round: 1 })).toEqual([
      'send 2: status-reply round 1: promised 1.1, chosen 0, hears a primary',
    ]);
    expect(scene.replica.primary).toBe(1);
    expect(scene.replica.ballot).toBe(b(1, 1));
  });
});
