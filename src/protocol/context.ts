/** What the roles of one replica share: who it is, what time it is, and the effects of this step. */

import { requires } from '../contracts.js';
import type { Ballot, MemberNumber } from './ballot.js';
import type { Configuration, Member } from './configuration.js';
import { quorumSize } from './configuration.js';
import { bytesInLog, RECORD_BYTES, type Slot } from './decree.js';
import type { Effect, LogRecord, Role } from './effects.js';
import type { PeerNumber } from './inputs.js';
import type { LeaseOptions } from './lease.js';
import type { Message } from './messages.js';

export interface ProtocolOptions {
  /** A secondary that heard nothing from a primary for this long, and up to half as long again, asks around. */
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Decrees proposed and not yet known chosen. */
  readonly pipelineDecreesMax: number;
  /** Their bytes; one decree is always let through. */
  readonly pipelineBytesMax: number;
  /** Bytes of decrees asked for by one fetch. */
  readonly fetchBytesMax: number;
  /**
   * Word of what was chosen waits so long for an accept that carries it: one command at a time costs half as many messages.
   * Default: 0.
   */
  readonly noticeMs?: number;
  /** The application is asked before this replica stands for election, or takes over. Default: false. */
  readonly asksToLead?: boolean;
  /** Null or absent: no leases. */
  readonly lease?: LeaseOptions | null;
  /** The highest version of the protocol that this build speaks. Default: 1. */
  readonly versionMax?: number;
}

/** Which replica this is, and with which disk. */
export interface Identity {
  readonly id: string;
  readonly incarnation: string;
}

export class Context {
  options: ProtocolOptions;
  readonly identity: Identity;
  /** Uniform in [0, 1); given, so that a run can be repeated. */
  readonly random: () => number;
  /** Milliseconds of a clock that never goes back; the time of this step. */
  now = 0;
  configuration: Configuration | null = null;
  /** This replica's number in `configuration`; 0 where it is no member. */
  self: MemberNumber = 0;
  /** The last number that this replica had in this life; 0 where it had none. Its disk keeps it (rule 8). */
  former: MemberNumber = 0;
  role: Role = 'inactive';
  /** Every slot up to this is known to be chosen here, and in the log. */
  chosen: Slot = 0;
  /** The highest ballot that was seen anywhere: the next one of this replica is above it. */
  ballotSeen: Ballot = 0;
  readonly connected: Set<PeerNumber> = new Set();
  /** The highest versions that they speak, where that is above 1. */
  readonly versions: Map<PeerNumber, number> = new Map();
  /** These get no vote of this replica: no answer to a status query, a prepare, an accept or a heartbeat. */
  withheld: ReadonlySet<PeerNumber> = new Set();
  /** Of these an accept got no vote, on the link that stands: it is not sent again. */
  readonly passedOver: Set<PeerNumber> = new Set();
  /** Number of the last `append` effect. */
  writes = 0;
  effects: Effect[] = [];

  constructor(options: ProtocolOptions, identity: Identity, random: () => number) {
    this.options = options;
    this.identity = identity;
    this.random = random;
  }

  send(to: PeerNumber, message: Message): void {
    requires(to !== 0 && to !== this.self, 'send-only-to-others');
    this.effects.push({ kind: 'send', to, configuration: this.configuration?.number ?? 0, message });
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    const { configuration, self, role, chosen, ballotSeen, effects } = this;
    const [connected, withheld, passedOver] = [this.connected, this.withheld, this.passedOver].map((peers) =>
      [...peers].sort((a, b) => a - b),
    );
    const versions = [...this.versions].sort(([a], [b]) => a - b);
    return [
      configuration,
      self,
      role,
      chosen,
      ballotSeen,
      connected,
      versions,
      withheld,
      passedOver,
      effects,
    ];
  }

  /** A prepare or an accept under `ballot` gets no vote: as if it had been lost, but that the next own ballot is above it. */
  withholds(from: PeerNumber, ballot: Ballot): boolean {
    if (!this.withheld.has(from)) return false;
    this.ballotSeen = Math.max(this.ballotSeen, ballot);
    return true;
  }

  /** Yields the write's number; `durable` reports it. */
  append(record: LogRecord): number {
    this.writes += 1;
    this.effects.push({ kind: 'append', write: this.writes, record });
    return this.writes;
  }

  /** What the records of this turn take in the log, at most. */
  get bytesToAppend(): number {
    let bytes = 0;
    for (const effect of this.effects) {
      if (effect.kind !== 'append') continue;
      bytes += 'decree' in effect.record ? bytesInLog(effect.record.decree) : RECORD_BYTES;
    }
    return bytes;
  }

  /** The highest version of the protocol that a linked peer, or this replica, speaks. */
  versionMaxOf(peer: PeerNumber): number {
    return peer === this.self ? (this.options.versionMax ?? 1) : (this.versions.get(peer) ?? 1);
  }

  get quorum(): number {
    requires(this.configuration !== null, 'configured-before-counting');
    return quorumSize(this.configuration);
  }

  get members(): readonly Member[] {
    requires(this.configuration !== null, 'configured-before-counting');
    return this.configuration.members;
  }

  isMember(peer: PeerNumber): boolean {
    return this.members.some((member) => member.number === peer);
  }

  /** Calls `visit` with the number of each other member that a link stands to. */
  forEachConnectedMember(visit: (member: MemberNumber) => void): void {
    for (const member of this.members) {
      if (member.number !== this.self && this.connected.has(member.number)) visit(member.number);
    }
  }
}
