/** Aim: what cannot be a state machine is refused before anything is opened, by name. */

import { expect, it } from 'vitest';
import { checkStateMachine } from '../../src/application/state-machine-check.js';
import { type StateMachine, SynodError } from '../../src/index.js';

const apply = (): void => {};
const takeCheckpoint = (): Iterable<Uint8Array> => [];
const restore = (): Promise<void> => Promise.resolve();
const check = (given: unknown): void => checkStateMachine(given as StateMachine<never, never>);

it.each([
  ['null', null, 'stateMachine: '],
  ['no object', 'apply', 'stateMachine: '],
  ['no apply', {}, 'with `apply`'],
  ['an apply that is no function', { apply: 1 }, 'with `apply`'],
  ['a read that is no function', { apply, read: {} }, 'stateMachine.read: '],
  ['a digest that is a value', { apply, digest: 'abc' }, 'stateMachine.digest: '],
  ['null for a hook', { apply, afterDecree: null }, 'stateMachine.afterDecree: '],
  ['checkpoints without restore', { apply, takeCheckpoint }, '`takeCheckpoint` and `restore` go together'],
  ['restore without checkpoints', { apply, restore }, '`takeCheckpoint` and `restore` go together'],
])('%s is refused', (_what, given, message) => {
  expect(() => check(given)).toThrow(SynodError);
  expect(() => check(given)).toThrow(
    expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT', message: expect.stringContaining(message) }),
  );
});

it.each([
  ['apply alone', { apply }],
  ['both of a pair', { apply, takeCheckpoint, restore }],
  ['what is undefined', { apply, read: undefined, digest: undefined }],
])('%s is taken', (_what, given) => {
  expect(() => check(given)).not.toThrow();
});
