/** The application's leave to lead, and votes that are withheld (docs/protocol.md, "Leave of the application"). */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.js';
import { b, decree, Scene } from './harness.js';

const asking = { options: { asksToLead: true } };
const yes = (request: number) => ({ kind: 'may-lead', request, may: true }) as const;
const no = (request: number) => ({ kind: 'may-lead', request, may: false }) as const;
const withhold = (...from: number[]) => ({ kind: 'withhold', from: new Set(from) }) as const;
const heartbeat = (round: number, primary = 2, chosen = 0): Message => ({
  kind: 'heartbeat',
  ballot: b(round, primary),
  chosen,
  round: 1,
});
const accept = (slot: number, chosen = 0): Message => ({
  kind: 'accept',
  ballot: b(1, 2),
  slot,
  chosen,
  decree: decree(`x${slot}`),
});
const isQuery = (line: string): boolean => line.includes('status-query');
/** Of an election timeout of 300 ms. */
const PATIENCE_MS = 75;

describe('a replica whose application is asked before it leads', () => {
  function suspecting(): Scene {
    const scene = new Scene(asking);
    const effects = scene.wait(300);
    expect(effects).toEqual(['ask-to-lead 1']);
    return scene;
  }

  it('asks around once the application lets it', () => {
    const scene = suspecting();
    expect(scene.role).toBe('secondary');
    scene.feed(yes(1));
    expect(scene.role).toBe('candidate');
  });

  it('does not where the application says no, and asks again an election timeout later', () => {
    const scene = suspecting();
    expect(scene.feed(no(1)).filter(isQuery)).toEqual([]);
    expect(scene.role).toBe('secondary');
    expect(scene.wait(290)).toEqual([]);
    expect(scene.wait(20)).toEqual(['ask-to-lead 2']);
  });

  it('takes silence for a no, and a late yes for nothing', () => {
    const scene = suspecting();
    expect(scene.wait(PATIENCE_MS + 10)).toEqual([]);
    expect(scene.replica.askedToLead).toBe(0);
    expect(scene.feed(yes(1))).toEqual([]);
    expect(scene.role).toBe('secondary');
    expect(scene.wait(310)).toEqual(['ask-to-lead 2']);
    expect(scene.replica.askedToLead).toBe(2);
  });

  it('needs no leave any more where a primary was heard meanwhile', () => {
    const scene = suspecting();
    scene.receive(2, heartbeat(1));
    expect(scene.feed(yes(1))).toEqual([]);
    expect(scene.role).toBe('secondary');
  });

  it('votes and follows while it waits', () => {
    const scene = suspecting();
    expect(scene.receive(2, { kind: 'prepare', ballot: b(1, 2), from: 1 })).toEqual([
      'append 1: promise 1.2',
    ]);
    expect(scene.durable()).toEqual(['send 2: promised 1.2: 0 entries, chosen 0']);
  });

  it('declines a hand-over that the application does not want, and takes over where it does', () => {
    for (const may of [true, false]) {
      const scene = new Scene(asking).toSecondaryOf(2);
      scene.receive(2, accept(1));
      scene.durable();
      expect(scene.receive(2, { kind: 'hand-over', ballot: b(1, 2), last: 1 })).toEqual(['ask-to-lead 1']);
      const effects = scene.feed({ kind: 'may-lead', request: 1, may });
      if (may) expect(scene.role).toBe('preparing');
      else expect(effects).toEqual(['send 2: hand-over-declined 1.2']);
    }
  });

  it('passes over the answer about a hand-over when another one has been promised since', () => {
    const scene = new Scene(asking).toSecondaryOf(2);
    scene.receive(2, accept(1));
    scene.durable();
    scene.receive(2, { kind: 'hand-over', ballot: b(1, 2), last: 1 });
    scene.receive(3, { kind: 'prepare', ballot: b(2, 3), from: 1 });
    scene.durable();
    expect(scene.feed(yes(1))).toEqual([]);
    expect(scene.role).toBe('secondary');
  });

  it('tells who promotes it that the application said no, or nothing', () => {
    const promote = { kind: 'promote', request: 7, evenIfBehind: false } as const;
    const scene = new Scene(asking).toSecondaryOf(2);
    expect(scene.feed(promote)).toEqual(['ask-to-lead 1']);
    expect(scene.feed(no(1))).toEqual(['leadership-refused 7: vetoed']);
    expect(scene.feed(promote)).toEqual(['ask-to-lead 2']);
    expect(scene.wait(PATIENCE_MS + 10)).toEqual(['leadership-refused 7: vetoed']);
    scene.feed(promote);
    scene.feed(yes(3));
    expect(scene.role).toBe('preparing');
  });
});

describe('a replica that withholds its vote', () => {
  it('answers neither query nor prepare, and takes a higher ballot later', () => {
    const scene = new Scene();
    scene.feed(withhold(2));
    expect(scene.receive(2, { kind: 'status-query', round: 1 })).toEqual([]);
    expect(scene.receive(2, { kind: 'prepare', ballot: b(9, 2), from: 1 })).toEqual([]);
    expect(scene.replica.promised).toBe(0);
    expect(scene.receive(3, { kind: 'status-query', round: 1 })).toEqual([
      expect.stringMatching(/^send 3: status-reply/),
    ]);
    scene.toPreparing();
    expect(scene.preparing).toBe(b(10, 1));
  });

  it('follows a primary, learns what is chosen, and neither accepts nor answers', () => {
    const scene = new Scene();
    scene.feed(withhold(2));
    expect(scene.receive(2, accept(1))).toEqual(['status: secondary, primary 2, ballot 1.2']);
    expect(scene.replica.accepted.size).toBe(0);
    expect(scene.receive(2, heartbeat(1, 2, 1)).map((line) => line.split(' ', 3).join(' '))).toEqual([
      'send 2: fetch',
    ]);
    expect(scene.replica.primary).toBe(2);
  });

  it('knows whose accepts it passed over, on the link that stands', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1));
    scene.feed(withhold(2));
    expect(scene.replica.hasPassedOver(2)).toBe(false);
    scene.receive(2, accept(2));
    expect(scene.replica.hasPassedOver(2)).toBe(true);
    scene.feed({ kind: 'peer-down', peer: 2 });
    scene.feed({ kind: 'peer-up', peer: 2 });
    expect(scene.replica.hasPassedOver(2)).toBe(false);
  });

  it('still refuses who is behind, and acknowledges what it accepted before', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1));
    scene.feed(withhold(2));
    expect(scene.durable()).toEqual(['send 2: accepted 1.2: 1 to 1']);
    scene.receive(3, { kind: 'prepare', ballot: b(2, 3), from: 1 });
    scene.durable();
    expect(scene.receive(2, accept(2))).toEqual(['send 2: refuse 1.2: promised 2.3']);
    expect(scene.replica.primary).toBe(0);
  });

  it('gives it again when it is told to', () => {
    const scene = new Scene();
    scene.feed(withhold(2, 3));
    scene.feed(withhold(3));
    scene.receive(2, { kind: 'prepare', ballot: b(1, 2), from: 1 });
    expect(scene.replica.promised).toBe(b(1, 2));
  });

  it('never lowers its promise', () => {
    const scene = new Scene().toSecondaryOf(2, 5);
    scene.receive(2, { kind: 'accept', ballot: b(5, 2), slot: 1, chosen: 0, decree: decree('x') });
    const { promised } = scene.replica;
    scene.feed(withhold(2, 3));
    scene.receive(3, { kind: 'prepare', ballot: b(9, 3), from: 1 });
    expect(scene.replica.promised).toBe(promised);
  });
});
