/** Leadership, as the application orders it: who asked for what, and how fit this replica is to lead. */

import { type Ballot, formatBallot, type MemberNumber } from '../protocol/ballot.js';
import type { Role } from '../protocol/effects.js';
import type { Input } from '../protocol/inputs.js';
import type { LeadershipRefusal } from '../protocol/leadership.js';
import type { Replica } from '../protocol/replica.js';
import type { FrameWriter } from '../wire/codec.js';
import { DiskHealth } from './disk-health.js';
import type { EngineParts } from './engine-types.js';
import { LastDecree } from './last-decree.js';
import type { LogKeeper } from './log-keeper.js';
import type { LogWriter } from './log-writer.js';
import type { PeerTable } from './peer-table.js';
import { Votes } from './votes.js';

/** Plain data: it is sent to the worker. `request` comes back in the event that answers it. */
export type LeadershipOrder =
  | { readonly kind: 'promote'; readonly request: number; readonly evenIfBehind: boolean }
  /** `to`: an id, or null for whoever is fit. */
  | { readonly kind: 'relinquish'; readonly request: number; readonly to: string | null }
  | { readonly kind: 'timeouts'; readonly electionTimeoutMs: number; readonly heartbeatMs: number }
  | { readonly kind: 'priority'; readonly priority: number }
  /** Whether this replica votes for others. */
  | { readonly kind: 'votes'; readonly votes: boolean }
  /** Answers of the application. The cookie is told to all that hear of the candidacy. */
  | {
      readonly kind: 'may-lead';
      readonly request: number;
      readonly may: boolean;
      readonly cookie: Uint8Array;
    }
  | { readonly kind: 'may-vote'; readonly request: number; readonly may: boolean };

/** Why nothing came of an order. */
export type OrderRefusal = LeadershipRefusal | 'not-elected' | 'unknown-member';

export interface EngineLeadershipOptions {
  readonly parts: EngineParts;
  readonly core: Replica;
  readonly log: LogWriter;
  readonly keeper: LogKeeper;
  readonly peers: PeerTable;
  readonly writer: FrameWriter;
}

interface Waiting {
  readonly kind: 'promote' | 'relinquish';
  readonly deadline: number;
  hasStood: boolean;
}

/**
 * Election timeouts that a write may take. Half of one: a log that is full while no segment comes to be stops this replica from reading
 * what its peers accepted, and a primary must have handed over before that.
 */
const DISK_PATIENCE = 0.5;
/** Election timeouts that a vote waits for the application. */
const VOTE_PATIENCE = 0.25;
/** Election timeouts after which an order has failed, whatever became of it. */
const ORDER_PATIENCE = 10;

export class EngineLeadership {
  readonly #options: EngineLeadershipOptions;
  readonly #disk = new DiskHealth();
  readonly #last = new LastDecree();
  readonly votes: Votes;
  readonly #waiting: Map<number, Waiting> = new Map();
  #electionTimeoutMs: number;
  #priority: number;

  constructor(options: EngineLeadershipOptions) {
    this.#options = options;
    const { electionTimeoutMs, leadership } = options.parts.options;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#priority = leadership.priority;
    const { parts, peers, writer } = options;
    this.votes = new Votes({
      asks: leadership.asksToVote === true,
      writer,
      crc32c: parts.crc32c,
      peers,
      ask: (request, id, cookie) => parts.emit({ kind: 'ask-to-vote', request, id, cookie }),
      hasLost: (peer) => options.core.hasPassedOver(peer),
      withhold: (from, now) => options.core.step({ kind: 'withhold', from }, now),
      now: parts.now,
      patienceMs: () => this.#electionTimeoutMs * VOTE_PATIENCE,
    });
  }

  take(order: LeadershipOrder): void {
    const { core, peers } = this.#options;
    switch (order.kind) {
      case 'promote':
        if (core.role === 'primary') {
          this.#answer(order.request, null);
          break;
        }
        this.#wait(order);
        this.#step(order);
        break;
      case 'relinquish': {
        const to = order.to === null ? 0 : peers.memberNumberOf(order.to);
        if (order.to !== null && to === 0) {
          this.#answer(order.request, 'unknown-member');
          break;
        }
        this.#wait(order);
        this.#step({ kind: 'relinquish', request: order.request, to });
        break;
      }
      case 'timeouts': {
        const { electionTimeoutMs, heartbeatMs } = order;
        this.#electionTimeoutMs = electionTimeoutMs;
        this.#step({ kind: 'timeouts', timeouts: { electionTimeoutMs, heartbeatMs } });
        break;
      }
      case 'priority':
        this.#priority = order.priority;
        break;
      case 'votes':
        this.votes.onFlag(order.votes);
        break;
      case 'may-vote':
        this.votes.onAnswer(order.request, order.may);
        break;
      case 'may-lead':
        // Before anything that is sent because of it: links keep the order. Not where the answer comes too late, for whoever hears
        // another cookie of a primary withholds its votes until it has asked about it.
        if (order.may && order.request === core.askedToLead) this.votes.tellCookie(order.cookie);
        this.#step({ kind: 'may-lead', request: order.request, may: order.may });
        break;
      default:
        order satisfies never;
    }
  }

  /** As primary: a decree may be proposed. Not behind the last one. */
  get canPropose(): boolean {
    return this.#options.core.canPropose && !this.#last.isOpen;
  }

  /** A command that was given with `last` has been proposed here. */
  onLastProposed(): void {
    this.#last.begin(this.#options.core.lastProposed);
  }

  /** In each turn, before anything is proposed. */
  turn(now: number): void {
    const { core, parts } = this.#options;
    if (core.role === 'primary' && this.#last.isOver(core.chosen, parts.bridge, now, this.#electionTimeoutMs))
      this.#step({ kind: 'relinquish', request: 0, to: 0 });
  }

  /** Before the tick that judges by it. */
  tick(now: number): void {
    const { core, keeper, log, parts } = this.#options;
    const { limits, leadership } = parts.options;
    this.votes.tick(now);
    // That it is full is known, and told otherwise.
    const canAppend = keeper.isFull || log.hasRoom(limits.decreeBytesMax);
    const patienceMs = this.#electionTimeoutMs * DISK_PATIENCE;
    const isStalled = this.#disk.isStalled(log.oldestTicket, canAppend, now, patienceMs);
    const behind = core.chosen - parts.bridge.applied;
    const isLagging = !leadership.standsWhileCatchingUp && behind > limits.pipelineDecreesMax;
    core.step({ kind: 'standing', standing: { isStalled, isLagging, priority: this.#priority } }, now);
    for (const [request, { kind, deadline }] of this.#waiting)
      if (now >= deadline) this.#answer(request, kind === 'promote' ? 'not-elected' : 'no-successor');
  }

  /** The role, or the primary that is known, changed. */
  onStatus(role: Role, primary: MemberNumber, ballot: Ballot): void {
    const { core, parts, peers } = this.#options;
    // It goes to the next primary, if it is not chosen yet. Whoever prepares for another configuration leads on.
    if (role !== 'primary' && role !== 'preparing') this.#last.forget();
    parts.emit({
      kind: 'role',
      role,
      primary: peers.idOf(primary),
      ballot: formatBallot(ballot),
      openThrough: role === 'primary' ? core.openThrough : 0,
    });
    for (const [request, waiting] of this.#waiting) {
      if (waiting.kind === 'promote') {
        if (role === 'primary') this.#answer(request, null);
        else if (role === 'preparing') waiting.hasStood = true;
        else if (waiting.hasStood) this.#answer(request, 'not-elected');
      } else if (primary !== 0 && primary !== core.self) this.#answer(request, null);
      else if (role !== 'primary') waiting.hasStood = true;
      else if (waiting.hasStood) this.#answer(request, 'no-successor');
    }
  }

  onAskToLead(request: number): void {
    this.#options.parts.emit({ kind: 'ask-to-lead', request });
  }

  onRefused(request: number, reason: LeadershipRefusal): void {
    if (this.#waiting.has(request)) this.#answer(request, reason);
  }

  #step(input: Input): void {
    this.#options.core.step(input, this.#options.parts.now());
  }

  #wait({ kind, request }: { kind: 'promote' | 'relinquish'; request: number }): void {
    const deadline = this.#options.parts.now() + this.#electionTimeoutMs * ORDER_PATIENCE;
    this.#waiting.set(request, { kind, deadline, hasStood: false });
  }

  #answer(request: number, refusal: OrderRefusal | null): void {
    this.#waiting.delete(request);
    this.#options.parts.emit({ kind: 'order-answered', request, refusal });
  }
}
