/**
 * Sessions: each command is executed exactly once, in the order its replica was given it, although a replica
 * sends again what it does not know to be chosen after the primary changed (docs/protocol.md, "Exactly once").
 *
 * Part of the replicated state: every replica sees the same groups in the same order and decides alike.
 */

import { ensures, requires } from '../contracts.js';
import type { MemberNumber } from './ballot.js';

interface Session {
  /** The start number of the replica's process: greater in each life. */
  session: number;
  /** The sequence number that the next group must begin with. */
  next: number;
}

export class SessionTable {
  readonly #sessions: Map<MemberNumber, Session> = new Map();

  /**
   * Whether the group of `count` commands that begins with `first` is to be executed now. Not if it was before (sent
   * twice), nor if an earlier one of its session is missing (it comes again, with the missing one before it), nor if a
   * later life of its replica has begun.
   */
  admit(origin: MemberNumber, session: number, first: number, count: number): boolean {
    requires(origin >= 1 && session >= 1 && first >= 1 && count >= 1, 'group-fields-in-bounds');
    const known = this.#sessions.get(origin);
    if (known === undefined || session > known.session) {
      if (first !== 1) return false;
      this.#sessions.set(origin, { session, next: 1 + count });
      return true;
    }
    if (session < known.session || first !== known.next) return false;
    known.next += count;
    ensures(known.next > first, 'sequences-only-grow');
    return true;
  }

  /** Takes the place of what there is: `entries` of a checkpoint. */
  replace(entries: Iterable<readonly [origin: MemberNumber, session: number, next: number]>): void {
    this.#sessions.clear();
    for (const [origin, session, next] of entries) this.#sessions.set(origin, { session, next });
  }

  /** For a checkpoint, and for digests: [origin, session, next] by origin. */
  entries(): [MemberNumber, number, number][] {
    return [...this.#sessions]
      .map(([origin, { session, next }]): [number, number, number] => [origin, session, next])
      .sort((a, b) => a[0] - b[0]);
  }
}
