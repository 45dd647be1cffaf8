/**
 * Aim: what waits in order at a client and at its server is dealt with in time that grows with its number, and not with its square. Method:
 * the queue against an array, and a hundred thousand of everything.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Queue } from '../../src/client/queue.js';
import { Session } from '../../src/client/session.js';

const COUNT = 100_000;

describe('a queue', () => {
  it('is as an array', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 1500 }) }),
      fc.record({ drop: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.constant({ all: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const queue = new Queue<number>();
        let model: number[] = [];
        let next = 0;
        for (const one of steps) {
          if ('push' in one)
            for (let count = one.push; count > 0; count -= 1) {
              queue.push(next);
              model.push(next);
              next += 1;
            }
          else if ('drop' in one) {
            const count = Math.floor(one.drop * model.length);
            queue.drop(count);
            model = model.slice(count);
          } else {
            expect(queue.takeAll()).toEqual(model);
            model = [];
          }
          expect(queue.length).toBe(model.length);
          expect([queue.at(0), queue.at(model.length - 1)]).toEqual([model[0], model.at(-1)]);
          expect(queue.at(model.length)).toBe(undefined);
        }
        expect([...queue]).toEqual(model);
      }),
      { numRuns: 100 },
    );
  });

  it('loses its first ones in no time', () => {
    const queue = new Queue<number>();
    const began = performance.now();
    for (let index = 0; index < 5 * COUNT; index += 1) queue.push(index);
    let inOrder = 0;
    for (let index = 0; index < 5 * COUNT; index += 1) {
      if (queue.at(0) === index) inOrder += 1;
      queue.drop(1);
    }
    // An array takes minutes.
    expect(performance.now() - began).toBeLessThan(4000);
    expect([inOrder, queue.length]).toEqual([5 * COUNT, 0]);
  });
});

describe('answers to a hundred thousand frames at once', () => {
  const frame = new Uint8Array(40);

  it.each([
    ['are sent', true, 2 ** 30],
    ['are kept for a client that is to come back', false, 2 ** 30],
    ['are sent, and not kept', true, 0],
  ])('%s', (_name, isSent, keptBytesMax) => {
    const session = new Session('s', keptBytesMax, 100);
    for (let first = 1; first <= COUNT; first += 1) session.admit(first, 1);
    const began = performance.now();
    let sent = 0;
    for (let first = 1; first <= COUNT; first += 1) {
      session.answer(first, frame);
      if (isSent) sent += session.takeSendable().length;
    }
    if (!isSent) {
      expect(session.resume(0)).toBe(true);
      sent = session.takeSendable().length;
    }
    expect(sent).toBe(COUNT);
    for (let first = 1; first <= COUNT; first += 1) session.acknowledge(first);
    expect(session.received).toBe(COUNT);
    expect(session.keptBytes).toBe(0);
    expect(session.expectedBytes).toBe(0);
    // Half of a second; in square time ten and more.
    expect(performance.now() - began).toBeLessThan(4000);
  });
});
