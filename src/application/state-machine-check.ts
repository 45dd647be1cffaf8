/** Whether an object can be a state machine, before anything is opened for it. */

import { SynodError } from '../errors.js';
import type { StateMachine } from '../state-machine.js';

const optional = ['read', 'beforeDecree', 'afterDecree', 'digest', 'takeCheckpoint', 'restore'] as const;

/** Throws `ERR_SYNOD_ARGUMENT`. */
export function checkStateMachine(stateMachine: StateMachine<never, never>): void {
  if (typeof stateMachine?.apply !== 'function')
    throw refusal('stateMachine: expected an object with `apply`');
  for (const name of optional) {
    const method: unknown = stateMachine[name];
    if (method !== undefined && typeof method !== 'function')
      throw refusal(`stateMachine.${name}: expected a function, or none`);
  }
  // With one of them alone checkpoints would be made that nobody can restore, or none, and the log would grow for ever.
  const { takeCheckpoint, restore } = stateMachine;
  if ((takeCheckpoint === undefined) !== (restore === undefined))
    throw refusal('stateMachine: `takeCheckpoint` and `restore` go together: expected both, or none');
}

function refusal(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message);
}
