/** Messages count under one configuration (docs/protocol.md, rule 7). */

import type { Context } from './context.js';
import { messageScope } from './dispatch-table.js';
import type { PeerNumber } from './inputs.js';
import type { Learner } from './learner.js';
import type { Message } from './messages.js';

/** For anyone, or from a member of the configuration that is in force here? If not, whoever is behind is told so. */
export function isInScope(
  context: Context,
  learner: Learner,
  from: PeerNumber,
  configuration: number,
  message: Message,
): boolean {
  if (messageScope[message.kind] === 'anyone') return true;
  const mine = context.configuration?.number ?? 0;
  if (mine === 0) return false;
  if (configuration === mine) return context.isMember(from);
  if (configuration > mine) {
    // A configuration decree that is not known here was chosen: at least one slot is missing.
    learner.hint(from, context.chosen + 1);
  } else if (message.kind === 'status-query' || message.kind === 'prepare' || message.kind === 'heartbeat') {
    context.send(from, { kind: 'defunct', chosen: context.chosen });
  }
  return false;
}
