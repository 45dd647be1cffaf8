/** What a replica answers to questions about itself, whatever its role. */

import type { Acceptor } from './acceptor.js';
import type { MemberNumber } from './ballot.js';
import type { Context } from './context.js';
import type { Election } from './election.js';
import type { PeerNumber } from './inputs.js';
import type { Leadership } from './leadership.js';
import type { Fetch, Heartbeat, StatusQuery } from './messages.js';

export function answerStatusQuery(
  context: Context,
  acceptor: Acceptor,
  election: Election,
  leadership: Leadership,
  from: MemberNumber,
  { round }: StatusQuery,
): void {
  if (context.withheld.has(from)) return;
  const primaryAlive = context.role === 'primary' || election.isPrimaryAlive;
  context.send(from, {
    kind: 'status-reply',
    round,
    promised: acceptor.promised,
    chosen: context.chosen,
    primaryAlive,
    standing: primaryAlive ? 0 : leadership.standing,
  });
}

/** To the primary whose heartbeat was taken: what is durable here under its ballot. */
export function answerHeartbeat(
  context: Context,
  acceptor: Acceptor,
  leadership: Leadership,
  from: MemberNumber,
  message: Heartbeat,
): void {
  // It would keep a primary in its place that gets no votes.
  if (context.withheld.has(from)) return;
  const { ballot, from: runFrom, durable } = acceptor.run;
  const counts = ballot === message.ballot && durable >= runFrom;
  context.send(from, {
    kind: 'heartbeat-reply',
    ballot: message.ballot,
    round: message.round,
    from: counts ? runFrom : 1,
    through: counts ? durable : 0,
    chosen: context.chosen,
    standing: leadership.standing,
  });
}

/** Only what is known chosen here is handed on. */
export function answerFetch({ chosen, effects }: Context, from: PeerNumber, message: Fetch): void {
  effects.push({
    kind: 'serve-fetch',
    to: from,
    from: message.from,
    through: chosen,
    bytesMax: message.bytesMax,
  });
}
