/**
 * Aim: a replica that catches up rests between pieces, and asks for more when it has executed what came; but never where somebody waits for
 * it, never so that it stays behind, and never for long.
 */

import { beforeEach, expect, it } from 'vitest';
import { CatchUpPace } from '../../src/engine/catch-up-pace.js';
import type { Role } from '../../src/protocol/effects.js';

const MEBIBYTE = 1024 * 1024;
const HOLD_MS = 300;

let now: number;
let timers: number[];
let scheduled: number;
let core: { known: number; primary: number; role: Role };
let pace: CatchUpPace;
let asked: string[];

beforeEach(() => {
  now = 1000;
  timers = [];
  scheduled = 0;
  asked = [];
  core = { known: 1000, primary: 2, role: 'secondary' };
  pace = new CatchUpPace({
    core,
    parts: {
      now: () => now,
      later: (afterMs) => void timers.push(afterMs),
      schedule: () => {
        scheduled += 1;
      },
    },
    holdMsMax: HOLD_MS,
  });
});

/** Begins to catch up with slot `next`, with nothing handed over before; one more is chosen soon after. */
function begin(next: number): void {
  core.known -= 1;
  pace.begin();
  pace.turn(next, 1000, true);
  core.known += 1;
}

/** Hands over a piece, executes it within `ms`, and has it noticed, with slot `next` the next one of those up to `through`. */
function piece(ms: number, next: number, through = 1000): void {
  pace.onHandedOver(MEBIBYTE);
  now += ms;
  pace.turn(next, through, true);
}

it('hands over as much as there is where nothing was missed', () => {
  for (let part = 0; part < 100; part += 1) {
    pace.onHandedOver(MEBIBYTE);
    pace.turn(part, 1000, true);
    expect(pace.mayHandOver).toBe(true);
  }
  expect(timers).toEqual([]);
});

it('waits for a piece to be executed, and rests for three times as long as that took', () => {
  begin(1);
  pace.onHandedOver(MEBIBYTE - 1);
  expect(pace.mayHandOver).toBe(true);
  pace.onHandedOver(1);
  expect(pace.mayHandOver).toBe(false);
  now += 20;
  pace.turn(100, 1000, false);
  expect(pace.mayHandOver).toBe(false);
  now += 10;
  pace.turn(100, 1000, true);
  expect(timers).toEqual([90]);
  expect(pace.mayHandOver).toBe(false);
  now += 89;
  expect(pace.mayHandOver).toBe(false);
  now += 1;
  expect(pace.mayHandOver).toBe(true);
});

it('does not rest for as long as a state machine stands still', () => {
  begin(1);
  piece(60_000, 100);
  expect(timers).toEqual([100]);
});

it('does not rest where it falls behind, by more than a quarter of what it was behind at first', () => {
  begin(1);
  // 100 of 999 slots executed, and 249 that may be lost, allow for 317 at the least gain of a tenth.
  core.known += 316;
  piece(30, 101);
  expect(timers).toEqual([90]);
  now += 90;
  core.known += 110;
  piece(30, 201, 2000);
  expect(timers).toEqual([90]);
  expect(pace.mayHandOver).toBe(true);
  core.known += 90;
  piece(30, 321, 2000);
  expect(timers).toEqual([90, 90]);
});

it('does not rest where nothing is chosen meanwhile: nobody could be disturbed', () => {
  begin(1);
  piece(30, 101);
  now += 90;
  piece(30, 201);
  expect(pace.mayHandOver).toBe(true);
  core.known += 1;
  piece(30, 301);
  expect(pace.mayHandOver).toBe(false);
  expect(timers).toEqual([90, 90]);
});

it.each(['primary', 'preparing', 'candidate'] as const)('does not rest as %s', (role) => {
  begin(1);
  piece(30, 100);
  expect(pace.mayHandOver).toBe(false);
  core.role = role;
  expect(pace.mayHandOver).toBe(true);
  pace.ask(() => void asked.push('now'));
  expect(asked).toEqual(['now']);
});

it('does not rest where no primary is known', () => {
  begin(1);
  piece(30, 100);
  core.primary = 0;
  expect(pace.mayHandOver).toBe(true);
});

it('asks for the first range at once, for the next one when it has executed what came and rested', () => {
  pace.turn(1, 0, true);
  pace.ask(() => void asked.push('first'));
  expect(asked).toEqual(['first']);
  pace.onHandedOver(3 * MEBIBYTE);
  pace.turn(101, 100, false);
  pace.ask(() => void asked.push('passed over'));
  pace.ask(() => void asked.push('second'));
  now += 40;
  pace.turn(101, 100, true);
  expect(asked).toEqual(['first']);
  now += 100;
  pace.turn(101, 100, true);
  expect(asked).toEqual(['first', 'second']);
  expect(scheduled).toBe(1);
  pace.turn(101, 100, true);
  expect(asked.length).toBe(2);
});

it('asks before the protocol gives up whom it asks, however slow the state machine is', () => {
  pace.ask(() => void asked.push('first'));
  pace.onHandedOver(3 * MEBIBYTE);
  pace.turn(101, 100, false);
  pace.ask(() => void asked.push('second'));
  now += HOLD_MS - 1;
  pace.turn(101, 100, false);
  expect(asked).toEqual(['first']);
  now += 1;
  pace.turn(101, 100, false);
  expect(asked).toEqual(['first', 'second']);
});

it('has caught up when everything that anybody told of is executed', () => {
  pace.begin();
  pace.turn(1000, 999, true);
  core.known += 1;
  piece(30, 1001, 1000);
  expect(pace.mayHandOver).toBe(false);
  now += 90;
  pace.turn(1002, 1001, true);
  pace.onHandedOver(100 * MEBIBYTE);
  expect(pace.mayHandOver).toBe(true);
});

it('rests behind a checkpoint that it restored, and begins anew there', () => {
  begin(1);
  core.known = 2000;
  pace.begin();
  expect(pace.mayHandOver).toBe(false);
  now += 20;
  pace.turn(1901, 2000, false);
  // What is chosen until it is restored does not count as ground that was lost, nor what it jumped over as ground that was gained.
  core.known = 2900;
  now += 10;
  pace.turn(1901, 2900, true);
  expect(timers).toEqual([90]);
  now += 90;
  core.known += 250;
  piece(30, 1911, 3150);
  expect(timers).toEqual([90]);
  core.known += 1;
  piece(30, 1941, 3151);
  expect(timers).toEqual([90, 90]);
});
