/**
 * What is true of a replica after every step, whatever the input was. The walks over its whole state are for tests and
 * simulations (`contracts.level`), since a service could not pay for them.
 */

import { contracts, invariant } from '../contracts.js';
import type { Acceptor } from './acceptor.js';
import { noBallot, ownerOf } from './ballot.js';
import { memberById } from './configuration.js';
import type { Context } from './context.js';
import type { Slot } from './decree.js';
import { sameDecree } from './decree.js';
import type { Learner } from './learner.js';
import type { Roles } from './plausible.js';
import type { Proposer } from './proposer.js';

export function checkState({ context, acceptor, proposer }: Roles, learner: Learner): void {
  const { role, self, ballotSeen } = context;
  const { promised } = acceptor;
  invariant((self === 0) === (role === 'inactive' || role === 'learner'), 'only-members-take-part');
  invariant(ballotSeen >= promised, 'ballot-seen-covers-the-promise');
  // Once it has promised a higher ballot, whatever it did under its own would be for nothing, or worse.
  const leads = role === 'primary' || role === 'preparing';
  invariant(!leads || promised === proposer.ballot, 'primary-promised-its-ballot');
  if (contracts.level === 'full') checkWholeState(context, acceptor, proposer, learner);
}

export function checkWholeState(
  context: Context,
  acceptor: Acceptor,
  proposer: Proposer,
  learner: Learner,
): void {
  checkIdentity(context);
  checkAcceptor(context, acceptor);
  if (context.role === 'preparing') checkPreparing(context, proposer);
  if (context.role === 'primary') checkPrimary(context, acceptor, proposer);
  invariant(learner.believable() >= context.chosen, 'chosen-never-lowered');
}

/** Rule 8: the number of this replica is the one that the configuration gives to its disk. */
function checkIdentity({ configuration, identity, self, connected }: Context): void {
  const member = configuration === null ? undefined : memberById(configuration, identity.id);
  const number = member?.incarnation === identity.incarnation ? member.number : 0;
  invariant(self === number, 'self-is-this-disk', () => `${self} instead of ${number}`);
  invariant(!connected.has(0) && (self === 0 || !connected.has(self)), 'send-only-to-others');
}

function checkAcceptor(context: Context, acceptor: Acceptor): void {
  const { accepted, promised, run } = acceptor;
  for (const [slot, { ballot, decree }] of accepted) {
    invariant(slot > context.chosen, 'accepted-map-is-open', () => `slot ${slot}`);
    invariant(ballot > noBallot && ballot <= promised, 'accepted-at-most-promised', () => `slot ${slot}`);
    invariant(decree.source !== undefined, 'decree-is-whole', () => `slot ${slot}`);
  }
  const { held, durable, promiseWrite } = acceptor.inspect();
  invariant(
    run.from >= 1 && run.durable >= run.from - 1 && run.durable <= run.through && run.through >= run.from - 1,
    'run-is-consecutive',
  );
  invariant(run.ballot <= promised, 'accepted-at-most-promised');
  for (let slot = Math.max(run.from, context.chosen + 1); slot <= run.through; slot += 1) {
    invariant(accepted.get(slot)?.ballot === run.ballot, 'run-is-accepted', () => `slot ${slot}`);
  }
  invariant(durable <= context.writes && promiseWrite <= context.writes, 'durable-only-what-was-written');
  let before = 0;
  let acknowledged: Slot = run.durable;
  for (const { write, ballot, slot } of held) {
    invariant(write >= before && write <= context.writes, 'replies-held-in-order');
    before = write;
    if (ballot === run.ballot && slot === acknowledged + 1) acknowledged = slot;
  }
  invariant(acknowledged === run.through, 'run-is-acknowledged-in-the-end');
}

/** Rules 3 and 4. */
function checkPreparing(context: Context, proposer: Proposer): void {
  const { promises, best } = proposer.inspect();
  for (const [member, { complete }] of promises) {
    invariant(!complete || context.isMember(member), 'votes-by-other-members', () => `member ${member}`);
  }
  for (const [slot, { ballot }] of best) {
    invariant(ballot < proposer.ballot, 'promise-reports-lower-ballots', () => `slot ${slot}`);
  }
}

/** Rules 4 and 7: what lies between chosen and last is open, one decree each, and accepted here under this very ballot. */
function checkPrimary(context: Context, acceptor: Acceptor, proposer: Proposer): void {
  const { open, openBytes, progress } = proposer.inspect();
  invariant(ownerOf(proposer.ballot) === context.self, 'ballot-owner-proposes');
  invariant(proposer.last >= context.chosen, 'propose-only-open-slots');
  invariant(open.size === proposer.last - context.chosen, 'open-slot-has-decree');
  let bytes = 0;
  for (const [slot, decree] of open) {
    const own = acceptor.accepted.get(slot);
    invariant(
      own?.ballot === proposer.ballot && sameDecree(own.decree, decree),
      'primary-accepts-its-own',
      () => `slot ${slot}`,
    );
    invariant(
      decree.configuration === null || (slot === proposer.last && proposer.pausedForConfiguration),
      'one-configuration-at-a-time',
    );
    if (decree.configuration === null) bytes += decree.bytes;
  }
  invariant(openBytes === bytes, 'open-bytes-add-up');
  for (const [member, { from, through, next }] of progress) {
    invariant(context.isMember(member), 'votes-by-other-members', () => `member ${member}`);
    invariant(
      from >= 1 && through <= proposer.last && next <= proposer.last + 1,
      'accepted-only-what-was-proposed',
      () => `member ${member}`,
    );
  }
}
