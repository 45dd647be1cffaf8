/** Letting a replica in again that came back with a new disk (docs/protocol.md, rule 8). */

import { MEMBER_NUMBER_MAX } from './ballot.js';
import type { Configuration } from './configuration.js';
import { memberById, quorumSize, readmit } from './configuration.js';
import type { Context } from './context.js';
import type { Join } from './messages.js';

/** So many full pipelines may a replica be behind that is let in: enough for it to arrive, little to catch up with. */
const JOIN_PIPELINES_MAX = 4;

/** While a request was on its way, a full pipeline may have been chosen, or a few. */
export function hasCaughtUp({ chosen, options }: Context, join: Join): boolean {
  return chosen - join.chosen <= JOIN_PIPELINES_MAX * options.pipelineDecreesMax;
}

/** Asks to be let in, while this replica is no member. */
export class Joining {
  readonly #context: Context;
  #askAt = 0;
  #askWhenCaughtUp = false;

  constructor(context: Context) {
    this.#context = context;
  }

  tick(): void {
    const { now, options } = this.#context;
    if (now < this.#askAt) return;
    this.#askAt = now + options.electionTimeoutMs;
    this.#askWhenCaughtUp = true;
    this.#ask();
  }

  /** Under load, what is known when the timer asks next is always too old to be let in with. */
  onCaughtUp(): void {
    if (!this.#askWhenCaughtUp) return;
    this.#askWhenCaughtUp = false;
    this.#ask();
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    return [Math.max(0, this.#askAt - this.#context.now), this.#askWhenCaughtUp];
  }

  #ask(): void {
    const context = this.#context;
    for (const peer of context.connected) {
      const { identity, chosen, former } = context;
      context.send(peer, { kind: 'join', ...identity, chosen, former });
    }
  }
}

/** The configuration that a primary proposes for whoever asks to be let in; null where it must not be, or not yet. */
export function readmission(context: Context, join: Join): Configuration | null {
  const { id, incarnation, former } = join;
  const current = context.configuration!;
  const member = memberById(current, id);
  if (member === undefined || member.incarnation === incarnation) return null;
  // The disk that the configuration knows is still in use: two replicas claim one name.
  if (context.connected.has(member.number) || member.number === context.self) return null;
  if (!hasCaughtUp(context, join)) return null;
  if (current.nextMember > MEMBER_NUMBER_MAX) return null;
  const next = readmit(current, id, incarnation, former);
  let live = 1;
  context.forEachConnectedMember(() => {
    live += 1;
  });
  // Without a quorum that does without the newcomer, the new configuration might never choose anything.
  return live < quorumSize(next) ? null : next;
}
