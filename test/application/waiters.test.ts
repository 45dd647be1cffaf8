/** Aim: each waiter is settled once, by its own sequence number, however the ring grows. Method: against a plain map. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Waiters } from '../../src/application/waiters.js';

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 1, max: 700 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 0, max: 900 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('settle' as const), count: fc.integer({ min: 0, max: 900 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('run' as const), count: fc.integer({ min: 1, max: 700 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('again' as const), count: fc.integer({ min: 0, max: 900 }) }),
  },
);

describe('Waiters', () => {
  it('behave as a map by sequence number would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, drain) => {
        const waiters = new Waiters<string>();
        const model = new Map<number, number>();
        let next = 1;
        let first = 1;
        const add = (sequence: number, mark: number): void => {
          model.set(sequence, mark);
          waiters.add(sequence, { resolve() {}, reject() {}, bytes: mark });
        };
        for (const { kind, count } of steps) {
          switch (kind) {
            case 'add':
              for (let index = 0; index < count; index += 1) {
                add(next, next);
                next += 1;
              }
              break;
            case 'run':
              waiters.addRun(next, count, { resolve() {}, reject() {}, bytes: next });
              for (const run = next; next < run + count; next += 1) model.set(next, run);
              break;
            case 'again':
              // The newest gets another waiter, as one with a time limit does.
              if (next > first) add(next - 1, -next);
              break;
            case 'take': {
              const sequence = first + count;
              expect(waiters.take(sequence)?.bytes).toBe(model.get(sequence));
              model.delete(sequence);
              break;
            }
            case 'settle': {
              const through = Math.min(next - 1, first + count);
              const visited: [number, number][] = [];
              waiters.settle(through, ({ bytes }, sequence) => visited.push([sequence, bytes]));
              const expected: [number, number][] = [];
              for (; first <= through; first += 1) {
                const mark = model.get(first);
                if (mark !== undefined) expected.push([first, mark]);
                model.delete(first);
              }
              expect(visited).toEqual(expected);
              break;
            }
            default:
              kind satisfies never;
          }
        }
        expect(waiters.take(first - 1)).toBe(undefined);
        expect(waiters.take(next)).toBe(undefined);
        if (!drain) return;
        const left: number[] = [];
        waiters.drain(({ bytes }) => left.push(bytes));
        expect(left).toEqual([...model].sort(([a], [b]) => a - b).map(([, mark]) => mark));
      }),
      { numRuns: 300 },
    );
  });
});
