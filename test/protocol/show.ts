/** Ballots, decrees, messages and records as a person reads them: in expected texts, in traces. */

import { priorityBounds } from '../../src/limits.js';
import { formatBallot } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';

const names: Map<number, string> = new Map();

/** From now on, the decree of commands with this checksum is called `name`. */
export function nameDecree(checksum: number, name: string): void {
  names.set(checksum, name);
}

/** How a decree is written in expected texts. */
export function nameOf(one: DecreeReference): string {
  if (one.kind === DecreeKind.noop) return 'no-op';
  if (one.configuration !== null) return `configuration ${one.configuration.number}`;
  return names.get(one.checksum) ?? `#${one.checksum}`;
}

export function showMessage(message: Message): string {
  switch (message.kind) {
    case 'status-query':
      return `status-query round ${message.round}`;
    case 'status-reply':
      return `status-reply round ${message.round}: promised ${formatBallot(message.promised)}, chosen ${message.chosen}, ${
        message.primaryAlive ? 'hears a primary' : 'hears no primary'
      }${message.primaryAlive || message.standing === priorityBounds.default ? '' : `, standing ${message.standing}`}`;
    case 'prepare':
      return `prepare ${formatBallot(message.ballot)} from ${message.from}`;
    case 'promise-entry':
      return `promise-entry ${formatBallot(message.ballot)}: slot ${message.slot} has ${nameOf(message.decree)} of ${formatBallot(message.acceptedBallot)}`;
    case 'promised':
      return `promised ${formatBallot(message.ballot)}: ${message.entries} entries, chosen ${message.chosen}`;
    case 'accept':
      return `accept ${formatBallot(message.ballot)}: slot ${message.slot} ${nameOf(message.decree)}, chosen ${message.chosen}`;
    case 'accepted':
      return `accepted ${formatBallot(message.ballot)}: ${message.from} to ${message.through}`;
    case 'heartbeat':
      return `heartbeat ${formatBallot(message.ballot)} round ${message.round}: chosen ${message.chosen}`;
    case 'heartbeat-reply':
      return `heartbeat-reply ${formatBallot(message.ballot)} round ${message.round}: ${message.from} to ${message.through}, chosen ${message.chosen}`;
    case 'hand-over':
      return `hand-over ${formatBallot(message.ballot)}: through ${message.last}`;
    case 'hand-over-declined':
      return `hand-over-declined ${formatBallot(message.ballot)}`;
    case 'resign':
      return `resign ${formatBallot(message.ballot)}`;
    case 'refuse':
      return `refuse ${formatBallot(message.ballot)}: promised ${formatBallot(message.promised)}`;
    case 'fetch':
      return `fetch from ${message.from}`;
    case 'learn':
      return `learn slot ${message.slot} ${nameOf(message.decree)} of ${formatBallot(message.ballot)}`;
    case 'fetch-end':
      return `fetch-end through ${message.through}, chosen ${message.chosen}`;
    case 'defunct':
      return `defunct: chosen ${message.chosen}`;
    case 'join':
      return `join ${message.id}: chosen ${message.chosen}${message.former === 0 ? '' : `, was ${message.former}`}`;
    case 'read-query':
      return `read-query ${message.read}`;
    case 'read-reply':
      return `read-reply ${message.read}: slot ${message.slot}`;
    case 'lease-request':
      return `lease-request ${formatBallot(message.ballot)}: round ${message.round}, ${message.durationMs} ms`;
    case 'lease-grant':
      return `lease-grant ${formatBallot(message.ballot)}: round ${message.round}`;
    case 'lease-release':
      return `lease-release ${formatBallot(message.ballot)}`;
    case 'lease-query':
      return `lease-query ${message.read}`;
    case 'lease-reply':
      return `lease-reply ${message.read}: slot ${message.slot}`;
    case 'genesis':
      return `genesis ${showMembers(message.configuration)}`;
  }
}

export function showMembers({ members }: Configuration): string {
  return members.map(({ number, id }) => `${number}=${id}`).join(' ');
}

export function showRecord(record: LogRecord): string {
  switch (record.kind) {
    case 'promise':
      return `promise ${formatBallot(record.ballot)}`;
    case 'accept':
    case 'learn':
      return `${record.kind} ${formatBallot(record.ballot)} slot ${record.slot} ${nameOf(record.decree)}`;
    case 'genesis':
      return `genesis ${showMembers(record.configuration)}`;
    case 'jump':
      return `jump to slot ${record.slot}`;
  }
}
