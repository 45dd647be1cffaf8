/** Aim: what a process allocates is counted from the lines of V8, for each heap apart. */

import { expect, it } from 'vitest';
import { AllocationCounter } from '../../bench/garbage.js';

const line = (isolate: string, before: number, after: number, kind = 'Scavenge'): string =>
  `[4444:${isolate}]    34994 ms: ${kind} ${before.toFixed(1)} (170.7) -> ${after.toFixed(1)} (170.7) MB, 1.80 / 0.01 ms  (average mu = 0.954, current mu = 0.958) testing; `;
const MEBIBYTE = 1024 * 1024;

it('counts what came between two collections, of each heap', () => {
  const counter = new AllocationCounter();
  counter.take(line('0x10', 27, 25));
  expect(counter.bytes).toBe(0);
  counter.take(line('0x20', 8, 2));
  counter.take(line('0x10', 41, 26));
  counter.take('a line of something else');
  counter.take(line('0x20', 3, 2, 'Mark-Compact'));
  counter.take(line('0x10', 36, 26, 'Mark-Compact (reduce)'));
  expect(counter.bytes).toBe((16 + 1 + 10) * MEBIBYTE);
});

it('never counts less than nothing: memory is given back between collections too', () => {
  const counter = new AllocationCounter();
  counter.take(line('0x10', 27, 25));
  counter.take(line('0x10', 20, 20));
  expect(counter.bytes).toBe(0);
});
