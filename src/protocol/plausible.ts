/**
 * What every message owes, whoever sent it. Replicas do not lie, but a peer may be of another version, or wrong: it is
 * cut off before its message changes anything, and this replica goes on.
 *
 * None of this is needed among correct replicas: each condition follows from a rule of docs/protocol.md.
 */

import { ContractViolation, contracts, peerOwes } from '../contracts.js';
import type { Acceptor } from './acceptor.js';
import type { Ballot } from './ballot.js';
import { ownerOf, ROUND_OF_PEERS_MAX, roundOf } from './ballot.js';
import { givesNumbersOnce, keepsVersion } from './configuration.js';
import type { Context } from './context.js';
import type { DecreeReference, Slot } from './decree.js';
import { sameDecree } from './decree.js';
import type { PeerNumber } from './inputs.js';
import type { Message } from './messages.js';
import type { Proposer } from './proposer.js';
import type { Reading } from './reading.js';

/** A peer sent what no correct replica sends. Nothing was changed by it: the peer is to be cut off. */
export class PeerFault extends Error {
  override readonly name = 'PeerFault';
}

export interface Roles {
  readonly context: Context;
  readonly acceptor: Acceptor;
  readonly proposer: Proposer;
  readonly reading: Reading;
}

/** Throws where `message` is none that a correct peer sends. */
export function checkPlausible(from: PeerNumber, message: Message, roles: Roles): void {
  const fault = faultOf(from, message, roles);
  if (fault === null) return;
  const detail = `${message.kind} from ${from}`;
  // In tests and simulations every peer is this library too: what it must not send, it must not have sent.
  if (contracts.level === 'full') throw new ContractViolation('peerOwes', fault, detail);
  throw new PeerFault(`${fault}: ${detail}`);
}

function faultOf(
  from: PeerNumber,
  message: Message,
  { context, acceptor, proposer, reading }: Roles,
): string | null {
  const isOwner = (ballot: Ballot): string | null =>
    peerOwes(ownerOf(ballot) === from, 'ballot-owner-proposes') ?? isInBounds(ballot);
  switch (message.kind) {
    case 'prepare':
      return isOwner(message.ballot) ?? isSlot(message.from);
    case 'accept':
      return (
        isOwner(message.ballot) ??
        isSlot(message.slot) ??
        isSameAsHeld(acceptor, message.slot, message.ballot, message.decree) ??
        isNextConfiguration(context, message.decree)
      );
    case 'heartbeat':
    case 'hand-over':
    case 'lease-request':
    case 'lease-release':
    case 'resign':
      return isOwner(message.ballot);
    case 'learn':
      if (message.slot !== context.chosen + 1) return isSlot(message.slot);
      return (
        isInBounds(message.ballot) ??
        isSameAsHeld(acceptor, message.slot, message.ballot, message.decree) ??
        isNextConfiguration(context, message.decree)
      );
    case 'promise-entry': {
      if (message.ballot !== proposer.ballot) return null;
      const best = proposer.bestReported(message.slot);
      return (
        isSlot(message.slot) ??
        peerOwes(message.acceptedBallot < message.ballot, 'promise-reports-lower-ballots') ??
        peerOwes(
          best === undefined ||
            best.ballot !== message.acceptedBallot ||
            sameDecree(best.decree, message.decree),
          'same-ballot-same-decree',
        )
      );
    }
    case 'accepted':
    case 'heartbeat-reply':
      if (message.ballot !== proposer.ballot) return null;
      return (
        isSlot(message.from) ??
        peerOwes(message.through <= proposer.last, 'accepted-only-what-was-proposed') ??
        peerOwes(message.kind === 'accepted' || message.round <= proposer.round, 'echoes-what-was-sent')
      );
    case 'status-reply':
    case 'refuse':
      return isInBounds(message.promised);
    case 'read-reply':
    case 'lease-reply':
      return peerOwes(reading.hasAsked(message), 'answers-what-was-asked');
    case 'lease-grant':
      if (message.ballot !== proposer.ballot) return null;
      return peerOwes(message.round <= proposer.round, 'echoes-what-was-sent');
    case 'fetch':
      return isSlot(message.from);
    default:
      return null;
  }
}

/** Far enough from the end of the numbers that this replica always finds a ballot above it. */
function isInBounds(ballot: Ballot): string | null {
  return peerOwes(roundOf(ballot) <= ROUND_OF_PEERS_MAX, 'ballot-round-in-bounds');
}

function isSlot(slot: Slot): string | null {
  return peerOwes(slot >= 1, 'slots-begin-at-one');
}

function isSameAsHeld(
  acceptor: Acceptor,
  slot: Slot,
  ballot: Ballot,
  decree: DecreeReference,
): string | null {
  const held = acceptor.accepted.get(slot);
  return peerOwes(
    held === undefined || held.ballot !== ballot || sameDecree(held.decree, decree),
    'same-ballot-same-decree',
  );
}

/** A configuration decree for an open slot is the one behind the configuration in force, or it was not to be proposed. */
function isNextConfiguration(context: Context, { configuration }: DecreeReference): string | null {
  if (configuration === null) return null;
  const current = context.configuration!;
  return (
    peerOwes(configuration.number === current.number + 1, 'configurations-one-by-one') ??
    peerOwes(givesNumbersOnce(current, configuration), 'member-numbers-given-once') ??
    peerOwes(keepsVersion(current, configuration), 'version-never-lowered')
  );
}
