/** Aim: a primary hands over behind its last decree exactly once, when that is executed, and not for one that was executed before. */

import { expect, it } from 'vitest';
import { LastDecree } from '../../src/engine/last-decree.js';

const PATIENCE_MS = 1000;

function isOver(last: LastDecree, chosen: number, applied: number, lastDecree: number, now = 0): boolean {
  return last.isOver(chosen, { applied, lastDecree }, now, PATIENCE_MS);
}

it('is open from its proposal until it was chosen and executed, then over, once', () => {
  const last = new LastDecree();
  expect(last.isOpen).toBe(false);
  expect(isOver(last, 9, 9, 9), 'there is none').toBe(false);
  last.begin(10);
  expect(isOver(last, 9, 9, 9)).toBe(false);
  expect(isOver(last, 10, 9, 9)).toBe(false);
  expect(last.isOpen).toBe(true);
  expect(isOver(last, 10, 9, 10), 'executed, and the application has not said how far it is').toBe(true);
  expect(last.isOpen).toBe(false);
  expect(isOver(last, 10, 10, 10)).toBe(false);
});

it('is over without a hand-over where the command had been executed in an earlier slot', () => {
  const last = new LastDecree();
  last.begin(10);
  expect(isOver(last, 10, 10, 7)).toBe(false);
  expect(last.isOpen).toBe(false);
});

it('does not wait for an application that stands still', () => {
  const last = new LastDecree();
  last.begin(10);
  expect(isOver(last, 10, 3, 0, 5000)).toBe(false);
  expect(isOver(last, 10, 3, 0, 5000 + PATIENCE_MS - 1)).toBe(false);
  expect(isOver(last, 12, 3, 0, 5000 + PATIENCE_MS)).toBe(true);
});

it('is forgotten with the primaryship', () => {
  const last = new LastDecree();
  last.begin(10);
  last.forget();
  expect(last.isOpen).toBe(false);
  expect(isOver(last, 10, 10, 10)).toBe(false);
});
