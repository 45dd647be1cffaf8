/**
 * Aim: a linearizable read is answered by a question that is put to the engine after it was made, and by no earlier one. Method: the bridge
 * without an engine; the test answers when it likes.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { ApplicationReads } from '../../src/application/reads.js';
import { Bridge } from '../../src/engine/bridge.js';

let bridge: Bridge;
let reads: ApplicationReads;
let later: (() => void)[];
let answered: string[];
let now = 0;

/** Whatever is due behind the present piece of work. */
function settle(): void {
  for (const call of later.splice(0)) call();
}

function read(name: string, consistency?: { readonly maxAgeMs: number } | 'lease'): void {
  reads.submit(name, consistency === undefined ? undefined : { consistency }, {
    resolve: ({ value }) => void answered.push(value as string),
    reject: (error) => {
      throw error;
    },
  });
}

/** The engine confirms question `number`. */
function confirm(number: number, kind: 'read' | 'lease-read' = 'read'): void {
  bridge.answerReads(number, 0, kind);
  reads.run();
}

beforeEach(() => {
  bridge = new Bridge();
  [later, answered, now] = [[], [], 0];
  reads = new ApplicationReads({
    bridge,
    allowsLeases: true,
    stateMachine: { apply() {}, read: (query: string) => query } as never,
    isRestoring: () => false,
    wakeEngine: () => {},
    afterwards: (call) => void later.push(call),
    startTimer: () => () => {},
    now: () => now,
    runSoon: () => reads.run(),
  });
});

describe('a linearizable read', () => {
  it('shares the question of those made with it', () => {
    read('a');
    read('b');
    settle();
    confirm(1);
    expect(answered).toEqual(['a', 'b']);
  });

  it('made behind a question waits for the next one, whatever that question finds', () => {
    read('a');
    settle();
    read('b');
    settle();
    confirm(1);
    expect(answered).toEqual(['a']);
    confirm(2);
    expect(answered).toEqual(['a', 'b']);
  });

  it('is not answered by what a lease says', () => {
    read('a');
    read('b', 'lease');
    settle();
    confirm(1, 'lease-read');
    expect(answered).toEqual(['b']);
    confirm(1);
    expect(answered).toEqual(['b', 'a']);
  });
});

describe('a read of a greatest age', () => {
  it('joins a question that was put so lately, and else has one of its own', () => {
    read('a');
    settle();
    now = 10;
    read('b', { maxAgeMs: 10 });
    read('c', { maxAgeMs: 9 });
    settle();
    confirm(1);
    expect(answered).toEqual(['a', 'b']);
    confirm(2);
    expect(answered).toEqual(['a', 'b', 'c']);
  });
});
