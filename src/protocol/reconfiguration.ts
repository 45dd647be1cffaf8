/**
 * Changes of the configuration that somebody asked for (docs/protocol.md, rules 7 and 11): held until the new one could choose
 * something, proposed as one decree, and answered once, when it is known what its slot decided.
 */

import { requires } from '../contracts.js';
import { MEMBER_NUMBER_MAX } from './ballot.js';
import type { Configuration, WantedMember } from './configuration.js';
import {
  hasQuorumOfDisks,
  keepsNumber,
  memberById,
  quorumSize,
  raiseVersion,
  reconfigure,
  sameConfiguration,
  UNKNOWN_DISK,
  versionOf,
} from './configuration.js';
import type { Context } from './context.js';
import type { Acceptance, Slot } from './decree.js';
import { bytesInLog, configurationDecree } from './decree.js';
import type { PeerNumber } from './inputs.js';
import type { Join } from './messages.js';
import type { Proposer } from './proposer.js';
import { hasCaughtUp, readmission } from './readmission.js';

/** The members that there are to be, whole. */
export interface MemberChange {
  /** Names it in `change-settled`; above 0. */
  readonly request: number;
  readonly members: readonly { readonly id: string; readonly address: string }[];
  /** Base64; empty where there is none. */
  readonly cookie: string;
  /** Also where newcomers have not caught up, or no quorum of the new set is linked. */
  readonly force: boolean;
  /** Only in the place of the configuration with this number; 0: whatever is in force. */
  readonly ifNumber: number;
}

/** Another version of the protocol, for the members that there are. */
export interface VersionRaise {
  readonly request: number;
  /** 0: the highest that all of them speak. */
  readonly version: number;
}

export type ChangeRefusal =
  /** Only a primary can. Nothing was proposed. */
  | 'not-primary'
  /** Another one was asked for before, and is not settled. */
  | 'in-flight'
  /** The new set could choose nothing, or a newcomer is not linked or behind. `missing` names who is to blame. */
  | 'no-quorum'
  /** All member numbers are used up. */
  | 'no-number'
  /** It is below the one in force; or, where `missing` names some, they do not speak it. */
  | 'version'
  /** Another configuration is in force than the one that was to be replaced. */
  | 'changed'
  /** Its slot decided something else: it was not chosen, and never will be. */
  | 'superseded';

export type ChangeOutcome =
  /** `configuration` is its number, `version` that of the protocol. */
  | { readonly kind: 'chosen'; readonly configuration: number; readonly version: number }
  | { readonly kind: 'refused'; readonly reason: ChangeRefusal; readonly missing: readonly string[] }
  /** A checkpoint took the place of its slot, and of the configurations behind it. */
  | { readonly kind: 'unknown' };

/** Election timeouts that a change waits for newcomers to catch up, and for a quorum of the new set to be linked. */
const PATIENCE = 10;

export class Reconfiguration {
  readonly #context: Context;
  readonly #proposer: Proposer;
  /** The last word of each linked replica that is no member. */
  readonly #newcomers: Map<PeerNumber, Join> = new Map();
  /** Of these, who asked in this turn. */
  readonly #asking: Set<PeerNumber> = new Set();
  /** Asked for, and not proposed yet. */
  #waiting: { readonly change: MemberChange | VersionRaise; readonly until: number } | null = null;
  /** Proposed here. It is chosen in this slot or nowhere. */
  #proposed: { readonly request: number; readonly slot: Slot; readonly configuration: Configuration } | null =
    null;

  constructor(context: Context, proposer: Proposer) {
    this.#context = context;
    this.#proposer = proposer;
  }

  /** Whoever leads lets a replica in again, at the end of the turn, that came back with a new disk and has caught up (rule 8). */
  onJoin(from: PeerNumber, configuration: number, message: Join): void {
    const context = this.#context;
    context.send(from, { kind: 'defunct', chosen: context.chosen });
    // Under another configuration it may have had a number that it does not tell of. It asks again when it knows this one.
    if (configuration !== context.configuration!.number) return;
    this.#newcomers.set(from, message);
    this.#asking.add(from);
  }

  /** Another configuration is in force: what newcomers said before is not their last word, and they may have had numbers since. */
  onConfiguration(): void {
    this.#newcomers.clear();
    this.#asking.clear();
  }

  onPeerDown(peer: PeerNumber): void {
    this.#newcomers.delete(peer);
    this.#asking.delete(peer);
  }

  ask(change: MemberChange | VersionRaise): void {
    const { role, now, options } = this.#context;
    requires(
      change.request > 0 && (isRaise(change) || change.members.length >= 1),
      'configuration-not-empty',
    );
    // Who prepares among new members was primary a moment ago, or will be soon. Who was succeeded may have proposed what nobody ever decides
    // while nothing else is to be chosen: the primary can.
    if (role !== 'primary' && role !== 'preparing') this.#refuse(change.request, 'not-primary', []);
    else if (this.#waiting !== null || this.#proposed !== null) this.#refuse(change.request, 'in-flight', []);
    else this.#waiting = { change, until: now + PATIENCE * options.electionTimeoutMs };
  }

  /** End of the turn: proposes what waits, as soon as it may be, and as the log has `room` bytes for it. */
  endTurn(room: number = Number.POSITIVE_INFINITY): void {
    this.#readmit(room);
    if (this.#waiting === null) return;
    const { change, until } = this.#waiting;
    const { role, now } = this.#context;
    if (role !== 'primary' && role !== 'preparing') this.#giveUp('not-primary', []);
    else if (role === 'primary' && !this.#proposer.isPaused && this.#attempt(change, room)) return;
    else if (now >= until) this.#giveUp('no-quorum', isRaise(change) ? this.#away() : this.#missing(change));
  }

  /** Every slot up to `through` is chosen; `accepted` still has their decrees. */
  onChosen(through: Slot, accepted: ReadonlyMap<Slot, Acceptance>): void {
    if (this.#proposed === null || this.#proposed.slot > through) return;
    const { request, slot, configuration } = this.#proposed;
    const decided = accepted.get(slot)?.decree.configuration ?? null;
    this.#proposed = null;
    if (decided !== null && sameConfiguration(decided, configuration))
      this.#settleChosen(request, configuration);
    else this.#refuse(request, 'superseded', []);
  }

  /** A checkpoint of the state behind `through` is there instead of the decrees; `configuration` is in force behind it. */
  onInstalled(through: Slot, configuration: Configuration): void {
    if (this.#proposed === null || this.#proposed.slot > through) return;
    const { request, configuration: proposed } = this.#proposed;
    this.#proposed = null;
    if (configuration.number > proposed.number) this.#settle(request, { kind: 'unknown' });
    else if (sameConfiguration(configuration, proposed)) this.#settleChosen(request, proposed);
    else this.#refuse(request, 'superseded', []);
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    const { now } = this.#context;
    return [
      [...this.#newcomers].sort(([a], [b]) => a - b),
      this.#waiting === null ? null : [this.#waiting.change, Math.max(0, this.#waiting.until - now)],
      this.#proposed,
    ];
  }

  /** False where it cannot be proposed yet. */
  #attempt(change: MemberChange | VersionRaise, room: number): boolean {
    return isRaise(change) ? this.#raise(change, room) : this.#replace(change, room);
  }

  /** Who is not let in asks again before long. */
  #readmit(room: number): void {
    const context = this.#context;
    for (const peer of this.#asking) {
      if (context.role !== 'primary' || this.#proposer.isPaused) break;
      if (context.versionMaxOf(peer) < versionOf(context.configuration!)) continue;
      const next = readmission(context, this.#newcomers.get(peer)!);
      if (next !== null && hasRoomFor(next, room))
        this.#proposer.proposeConfiguration(configurationDecree(next));
    }
    this.#asking.clear();
  }

  /** All members must have said that they speak it: who does not could take no part any more. */
  #raise({ request, version }: VersionRaise, room: number): boolean {
    const context = this.#context;
    const current = context.configuration!;
    const inForce = versionOf(current);
    if (this.#away().length > 0) return false;
    const spoken = Math.min(...current.members.map(({ number }) => context.versionMaxOf(number)));
    const wanted = version === 0 ? Math.max(spoken, inForce) : version;
    if (wanted < inForce) this.#giveUp('version', []);
    else if (wanted > Math.max(spoken, inForce)) {
      const cannot = current.members.filter(({ number }) => context.versionMaxOf(number) < wanted);
      this.#giveUp(
        'version',
        cannot.map(({ id }) => id),
      );
    } else if (wanted === inForce) {
      this.#waiting = null;
      this.#settleChosen(request, current);
    } else return this.#propose(request, raiseVersion(current, wanted), room);
    return true;
  }

  /** Members that are not linked. */
  #away(): string[] {
    const { configuration, self, connected } = this.#context;
    return configuration!.members
      .filter(({ number }) => number !== self && !connected.has(number))
      .map(({ id }) => id);
  }

  #replace(change: MemberChange, room: number): boolean {
    const context = this.#context;
    const current = context.configuration!;
    if (change.ifNumber !== 0 && change.ifNumber !== current.number) {
      this.#giveUp('changed', []);
      return true;
    }
    const wanted = this.#wanted(change);
    const isNew = (one: WantedMember): boolean => memberById(current, one.id) === undefined;
    const numbered = wanted.filter((one) => isNew(one) && !keepsNumber(current, one.former)).length;
    if (current.nextMember + numbered > MEMBER_NUMBER_MAX + 1) {
      this.#giveUp('no-number', []);
      return true;
    }
    const next = reconfigure(current, wanted, change.cookie);
    // Not even when forced: nobody could ever let those in whose disks are not known.
    if (!hasQuorumOfDisks(next)) return false;
    if (!change.force && this.#missing(change).length > 0) return false;
    return this.#propose(change.request, next, room);
  }

  /** False where the log has no room: on a full disk there may be none, and nowhere to put it. */
  #propose(request: number, next: Configuration, room: number): boolean {
    if (!hasRoomFor(next, room)) return false;
    this.#waiting = null;
    this.#proposer.proposeConfiguration(configurationDecree(next));
    this.#proposed = { request, slot: this.#proposer.last, configuration: next };
    return true;
  }

  #wanted({ members }: MemberChange): WantedMember[] {
    return members.map(({ id, address }) => {
      const join = this.#newcomer(id);
      return {
        id,
        address,
        incarnation: join?.incarnation ?? UNKNOWN_DISK,
        former: join?.former ?? 0,
      };
    });
  }

  #newcomer(id: string): Join | undefined {
    const context = this.#context;
    const inForce = versionOf(context.configuration!);
    for (const [peer, join] of this.#newcomers)
      if (join.id === id && context.connected.has(peer) && context.versionMaxOf(peer) >= inForce) return join;
    return undefined;
  }

  /** Newcomers that are not ready; and members that are not linked, where the others are no quorum. */
  #missing({ members }: MemberChange): string[] {
    const context = this.#context;
    const current = context.configuration!;
    const missing: string[] = [];
    const away: string[] = [];
    for (const { id } of members) {
      const member = memberById(current, id);
      if (member === undefined) {
        const join = this.#newcomer(id);
        if (join === undefined || !hasCaughtUp(context, join)) missing.push(id);
      } else if (member.number !== context.self && !context.connected.has(member.number)) away.push(id);
    }
    const live = members.length - missing.length - away.length;
    return live >= quorumSize({ members }) ? missing : [...missing, ...away];
  }

  #giveUp(reason: ChangeRefusal, missing: readonly string[]): void {
    const { request } = this.#waiting!.change;
    this.#waiting = null;
    this.#refuse(request, reason, missing);
  }

  #refuse(request: number, reason: ChangeRefusal, missing: readonly string[]): void {
    this.#settle(request, { kind: 'refused', reason, missing });
  }

  #settleChosen(request: number, configuration: Configuration): void {
    const { number } = configuration;
    this.#settle(request, { kind: 'chosen', configuration: number, version: versionOf(configuration) });
  }

  #settle(request: number, outcome: ChangeOutcome): void {
    this.#context.effects.push({ kind: 'change-settled', request, outcome });
  }
}

function hasRoomFor(next: Configuration, room: number): boolean {
  return bytesInLog(configurationDecree(next)) <= room;
}

function isRaise(change: MemberChange | VersionRaise): change is VersionRaise {
  return 'version' in change;
}
