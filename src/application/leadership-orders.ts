/** Orders to the engine about who leads, of what callers gave. What is wrong with that throws `ERR_SYNOD_ARGUMENT`. */

import type { LeadershipOrder } from '../engine/engine-leadership.js';
import { SynodError } from '../errors.js';
import { electionTimeoutMsBounds, priorityBounds } from '../limits.js';
import { checkOptions } from './bad-argument.js';
import type { PromoteOptions, RelinquishOptions } from './replica-calls.js';

type Order<Kind extends LeadershipOrder['kind']> = Extract<LeadershipOrder, { kind: Kind }>;

export function promoteOrder(options: PromoteOptions): Omit<Order<'promote'>, 'request'> {
  checkOptions(options, ['evenIfBehind']);
  const { evenIfBehind = false } = options;
  if (typeof evenIfBehind !== 'boolean') throw wrong('evenIfBehind: expected true or false');
  return { kind: 'promote', evenIfBehind };
}

/** `replica`: whoever is ordered to. */
export function relinquishOrder(
  options: RelinquishOptions,
  replica: string,
): Omit<Order<'relinquish'>, 'request'> {
  checkOptions(options, ['to']);
  const { to } = options;
  if (to !== undefined && typeof to !== 'string') throw wrong('to: expected the id of a member');
  if (to === replica) throw wrong(`to: "${to}" is this replica itself`);
  return { kind: 'relinquish', to: to ?? null };
}

/** `before`: as the replica was opened. Heartbeats keep the same part of the election timeout. */
export function timeoutsOrder(
  electionTimeoutMs: number,
  before: { readonly electionTimeoutMs: number; readonly heartbeatMs: number },
): Order<'timeouts'> {
  const { min, max } = electionTimeoutMsBounds;
  if (!Number.isInteger(electionTimeoutMs) || electionTimeoutMs < min || electionTimeoutMs > max)
    throw wrong(`electionTimeoutMs: expected an integer, ${min} to ${max}`);
  const heartbeatMs = Math.floor((electionTimeoutMs * before.heartbeatMs) / before.electionTimeoutMs);
  return { kind: 'timeouts', electionTimeoutMs, heartbeatMs: Math.max(1, heartbeatMs) };
}

export function priorityOrder(priority: number): Order<'priority'> {
  const { min, max } = priorityBounds;
  if (!Number.isInteger(priority) || priority < min || priority > max)
    throw wrong(`priority: expected an integer, ${min} to ${max}`);
  return { kind: 'priority', priority };
}

export function votesOrder(votes: boolean): Order<'votes'> {
  if (typeof votes !== 'boolean') throw wrong(`votes: expected true or false, got ${typeof votes}`);
  return { kind: 'votes', votes };
}

function wrong(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message);
}
