/**
 * One replica of the protocol: routes inputs to the roles and carries their decisions from one to the next. Pure:
 * inputs in, effects out; the same inputs give the same effects (docs/protocol.md).
 */

import { ensures, invariant, requires, unreachable } from '../contracts.js';
import { Acceptor } from './acceptor.js';
import { answerFetch, answerHeartbeat, answerStatusQuery } from './answers.js';
import type { Ballot, MemberNumber } from './ballot.js';
import { ownerOf } from './ballot.js';
import { Candidacy } from './candidacy.js';
import type { Configuration } from './configuration.js';
import type { Identity, ProtocolOptions } from './context.js';
import { Context } from './context.js';
import type { Acceptance, Slot } from './decree.js';
import { dispatchTable } from './dispatch-table.js';
import type { Effect, Role } from './effects.js';
import { Election } from './election.js';
import { GenesisRelay } from './genesis-relay.js';
import type { Input, PeerNumber } from './inputs.js';
import { checkState } from './invariants.js';
import { Leadership } from './leadership.js';
import { Learner } from './learner.js';
import type { Accept, Heartbeat, Learn, Message } from './messages.js';
import { checkPlausible, type Roles } from './plausible.js';
import { Progress } from './progress.js';
import { Proposer } from './proposer.js';
import { Reading } from './reading.js';
import { Joining } from './readmission.js';
import { Reconfiguration } from './reconfiguration.js';
import type { RecoveredState } from './recovered-state.js';
import { RoleChanges } from './role-changes.js';
import { isInScope } from './scope.js';
import { StatusReport } from './status-report.js';

export { emptyState, type RecoveredState } from './recovered-state.js';

export class Replica {
  readonly #context: Context;
  readonly #acceptor: Acceptor;
  readonly #proposer: Proposer;
  readonly #learner: Learner;
  readonly #election: Election;
  readonly #candidacy: Candidacy;
  readonly #leadership: Leadership;
  readonly #genesis: GenesisRelay;
  readonly #joining: Joining;
  readonly #reading: Reading;
  readonly #reconfiguration: Reconfiguration;
  readonly #roleChanges: RoleChanges;
  readonly #progress: Progress;
  readonly #roles: Roles;
  #lastStepAt = 0;
  #able = true;
  readonly #report: StatusReport;
  readonly #stateful: readonly { snapshot(): readonly unknown[] }[];

  constructor(
    options: ProtocolOptions,
    identity: Identity,
    recovered: RecoveredState,
    random: () => number,
    now: number,
  ) {
    const context = new Context(options, identity, random);
    this.#context = context;
    context.now = now;
    this.#lastStepAt = now;
    context.chosen = recovered.chosen;
    context.ballotSeen = recovered.promised;
    this.#acceptor = new Acceptor(context, {
      promiseDurable: (ballot) => this.#proposer.onOwnPromiseDurable(ballot),
      acceptedDurable: (from, through) => this.#proposer.onOwnAccepted(from, through),
    });
    this.#acceptor.promised = recovered.promised;
    for (const [slot, acceptance] of recovered.accepted) {
      requires(slot > recovered.chosen, 'recovered-acceptances-open');
      requires(acceptance.ballot <= recovered.promised, 'accepted-at-most-promised');
      this.#acceptor.accepted.set(slot, acceptance);
    }
    this.#proposer = new Proposer(context, this.#acceptor);
    this.#learner = new Learner(context, this.#acceptor.run);
    this.#election = new Election(context);
    this.#candidacy = new Candidacy(context, this.#acceptor);
    this.#leadership = new Leadership(context, this.#acceptor, this.#proposer, this.#learner, {
      stand: (order, giver) => {
        const what = giver === null ? 'prepare' : 'take-over';
        if (this.#candidacy.ask(what, order, giver)) this.#roleChanges.stand();
      },
      hasGranted: () => this.#reading.lease.hasGranted,
      isAble: () => this.#able,
      releaseLease: () => this.#reading.lease.release(),
    });
    this.#report = new StatusReport(context);
    this.#genesis = new GenesisRelay(context);
    this.#joining = new Joining(context);
    this.#reading = new Reading(context, this.#acceptor, this.#proposer, this.#election);
    this.#reconfiguration = new Reconfiguration(context, this.#proposer);
    this.#roleChanges = new RoleChanges({
      context,
      election: this.#election,
      candidacy: this.#candidacy,
      leadership: this.#leadership,
      proposer: this.#proposer,
      reading: this.#reading,
    });
    this.#progress = new Progress({
      context,
      acceptor: this.#acceptor,
      proposer: this.#proposer,
      learner: this.#learner,
      election: this.#election,
      reconfiguration: this.#reconfiguration,
      roleChanges: this.#roleChanges,
    });
    this.#stateful = [
      context,
      this.#acceptor,
      this.#proposer,
      this.#learner,
      this.#election,
      this.#leadership,
      this.#candidacy,
      this.#joining,
      this.#reconfiguration,
      this.#reading,
    ];
    this.#roles = { context, acceptor: this.#acceptor, proposer: this.#proposer, reading: this.#reading };
    if (recovered.configuration !== null) this.#progress.configure(recovered.configuration);
    this.#election.restart();
  }

  get role(): Role {
    return this.#context.role;
  }
  /** The member that is believed to be the primary; 0 where none is known. */
  get primary(): MemberNumber {
    if (this.#context.role === 'primary') return this.#context.self;
    return this.#election.isPrimaryAlive ? this.#election.primary : 0;
  }
  get chosen(): Slot {
    return this.#context.chosen;
  }
  /** The highest slot that anyone said is chosen. */
  get known(): Slot {
    return this.#learner.known;
  }
  get promised(): Ballot {
    return this.#acceptor.promised;
  }
  get ballot(): Ballot {
    return this.#context.role === 'primary' ? this.#proposer.ballot : this.#election.primaryBallot;
  }
  get configuration(): Configuration | null {
    return this.#context.configuration;
  }
  get self(): MemberNumber {
    return this.#context.self;
  }
  /** Primary, and the pipeline has room for one more decree. */
  get canPropose(): boolean {
    return this.#proposer.canPropose;
  }
  /** What was proposed before this primary led ends here, or later. Of a primary. */
  get openThrough(): Slot {
    return Math.max(this.#proposer.last, this.#proposer.adopted);
  }
  /** The last slot that was proposed under the present ballot; 0 before the first. Of a primary. */
  get lastProposed(): Slot {
    return this.#proposer.last;
  }
  /** The `ask-to-lead` whose answer still counts; 0 where none is open. */
  get askedToLead(): number {
    return this.#candidacy.counting;
  }
  /** An accept of `peer` got no vote, on the link that stands. */
  hasPassedOver(peer: PeerNumber): boolean {
    return this.#context.passedOver.has(peer);
  }
  get openDecrees(): number {
    return this.#proposer.openDecrees;
  }
  /** Slots above `chosen` that this replica has accepted. For invariants and status; not to be changed. */
  get accepted(): ReadonlyMap<Slot, Acceptance> {
    return this.#acceptor.accepted;
  }
  acceptedBy(member: MemberNumber): Slot {
    return this.#proposer.acceptedBy(member);
  }

  /**
   * Takes one input at time `now` (milliseconds, never back). The effects add up until `takeEffects`.
   * Throws `ContractViolation`: the caller must then stop this replica for good. Or `PeerFault`, for a message that no
   * correct peer sends: then nothing has changed, and the peer is to be cut off.
   */
  step(input: Input, now: number): void {
    const context = this.#context;
    requires(now >= context.now, 'time-never-goes-back');
    context.now = now;
    const promisedBefore = this.#acceptor.promised;
    const chosenBefore = context.chosen;
    switch (input.kind) {
      case 'tick':
        this.#onTick();
        break;
      case 'peer-up':
        context.connected.add(input.peer);
        if (input.versionMax !== undefined && input.versionMax > 1)
          context.versions.set(input.peer, input.versionMax);
        this.#proposer.onPeerUp(input.peer);
        break;
      case 'peer-down':
        this.#onPeerDown(input.peer);
        break;
      case 'congestion':
        this.#proposer.onCongestion(input.peer, input.congested);
        break;
      case 'message':
        this.#onMessage(input.from, input.configuration, input.message);
        break;
      case 'durable':
        this.#acceptor.onDurable(input.write);
        this.#genesis.onDurable(input.write);
        break;
      case 'catching-up':
        this.#learner.onLearn(input.peer);
        break;
      case 'copy-lost':
        this.#learner.onLost();
        break;
      case 'installed':
        this.#progress.install(input.slot, input.configuration, input.promised);
        break;
      case 'change':
        this.#reconfiguration.ask(input.change);
        break;
      case 'able':
        this.#able = input.able;
        break;
      case 'propose':
        this.#proposer.propose(input.decree);
        break;
      case 'timeouts':
        context.options = { ...context.options, ...input.timeouts };
        this.#election.restart();
        break;
      case 'standing':
      case 'promote':
      case 'relinquish':
        this.#leadership.onInput(input);
        break;
      case 'read':
      case 'lease-read':
        this.#reading.ask(input);
        break;
      case 'withhold':
        context.withheld = input.from;
        break;
      case 'may-lead':
        this.#roleChanges.settle(input.request, input.may);
        break;
      default:
        unreachable(input);
    }
    ensures(this.#acceptor.promised >= promisedBefore, 'promise-never-lowered');
    ensures(context.chosen >= chosenBefore, 'chosen-never-lowered');
    checkState(this.#roles, this.#learner);
  }

  /**
   * End of the turn: replies that became due, accepts, fetches; then everything that is to be done, in order. `room`: bytes of log in which
   * the records of what a new primary proposes again, and of configurations, have a place (`bytesInLog`).
   */
  takeEffects(room: number = Number.POSITIVE_INFINITY): Effect[] {
    const context = this.#context;
    this.#acceptor.reply();
    if (context.role === 'primary' && this.#proposer.isAdopting)
      this.#proposer.adopt(room - context.bytesToAppend);
    else if (context.role === 'preparing' && this.#proposer.isPrepared)
      this.#roleChanges.becomePrimary(room - context.bytesToAppend);
    if (context.role === 'primary') this.#progress.choose(this.#proposer.chosenByQuorum());
    else this.#progress.choose(this.#learner.believable());
    this.#reconfiguration.endTurn(room - context.bytesToAppend);
    if (context.role === 'primary') {
      this.#reading.begin();
      this.#proposer.pump();
      this.#reading.lease.ask();
    }
    this.#reading.finish();
    this.#leadership.endTurn();
    this.#learner.fetch();
    this.#report.tell(this.primary, this.ballot);
    checkState(this.#roles, this.#learner);
    const effects = context.effects;
    if (effects.length > 0) context.effects = [];
    return effects;
  }

  /**
   * Everything that decides what this replica will write, say and hold for chosen, as plain data: two replicas with equal
   * snapshots do the same from here on, whatever comes. Times are distances from now, as far as anything tells them
   * apart; what nothing will read again is left out, and so is what only the status tells. For exploring and comparing states.
   */
  snapshot(): readonly unknown[] {
    const { now, options } = this.#context;
    const sinceStepMs = Math.min(now - this.#lastStepAt, options.electionTimeoutMs / 2 + 1);
    const parts = this.#stateful.map((part) => part.snapshot());
    return [sinceStepMs, this.#able, this.#genesis.waiting, ...parts];
  }

  // Time.

  #onTick(): void {
    const context = this.#context;
    const paused = context.now - this.#lastStepAt > context.options.electionTimeoutMs / 2;
    this.#lastStepAt = context.now;
    if (paused) {
      // The process stood still. What the others said meanwhile waits in the sockets: hear it before judging them.
      this.#election.restart();
      this.#proposer.forgiveSilence();
    }
    this.#roleChanges.tick(this.#able);
    if (context.role === 'learner') this.#joining.tick();
  }

  #onPeerDown(peer: PeerNumber): void {
    const wasPrimary = this.#context.role === 'secondary' && peer === this.#election.primary;
    this.#context.connected.delete(peer);
    this.#context.passedOver.delete(peer);
    this.#context.versions.delete(peer);
    this.#proposer.onPeerDown(peer);
    this.#learner.onPeerDown(peer);
    this.#reading.onPeerDown(peer);
    this.#reconfiguration.onPeerDown(peer);
    if (wasPrimary) this.#election.hasten();
  }

  // Messages.

  #onMessage(from: PeerNumber, configuration: number, message: Message): void {
    const context = this.#context;
    if (!isInScope(context, this.#learner, from, configuration, message)) return;
    if (dispatchTable[context.role][message.kind] === 'ignore') return;
    checkPlausible(from, message, this.#roles);
    switch (message.kind) {
      case 'status-query':
        answerStatusQuery(context, this.#acceptor, this.#election, this.#leadership, from, message);
        break;
      case 'status-reply':
        this.#learner.hint(from, message.chosen);
        if (message.promised > context.ballotSeen) context.ballotSeen = message.promised;
        this.#election.onReply(from, message);
        this.#roleChanges.advanceCandidate();
        break;
      case 'prepare':
        invariant(ownerOf(message.ballot) === from, 'ballot-owner-proposes');
        if (context.withholds(from, message.ballot) || this.#reading.lease.defers(message.ballot)) break;
        if (this.#acceptor.prepare(message.ballot, message.from)) {
          this.#roleChanges.yieldTo(message.ballot);
          this.#election.forgetPrimary();
          this.#election.restart();
        }
        break;
      case 'promise-entry':
        this.#proposer.onPromiseEntry(from, message);
        break;
      case 'promised':
        this.#learner.hint(from, message.chosen);
        this.#proposer.onPromised(from, message);
        break;
      case 'accept':
        this.#onAccept(from, message);
        break;
      case 'accepted':
        this.#proposer.onAccepted(from, message);
        break;
      case 'heartbeat':
        this.#onHeartbeat(from, message);
        break;
      case 'heartbeat-reply':
        this.#learner.hint(from, message.chosen);
        this.#proposer.onHeartbeatReply(from, message);
        this.#reading.onHeartbeatReply(from, message);
        break;
      case 'refuse':
        if (message.promised > context.ballotSeen) context.ballotSeen = message.promised;
        if (message.ballot === this.#proposer.ballot) this.#roleChanges.onRefused(message.promised);
        break;
      case 'hand-over':
        this.#leadership.onHandOver(from, message);
        break;
      case 'resign':
        this.#election.onResigned(message.ballot);
        break;
      case 'hand-over-declined':
        this.#leadership.onDeclined(from, message);
        break;
      case 'fetch':
        answerFetch(context, from, message);
        break;
      case 'learn':
        this.#onLearn(from, message);
        break;
      case 'fetch-end':
        this.#learner.onFetchEnd(from, message.through, message.chosen);
        if (context.role === 'learner' && this.#learner.hasCaughtUp) this.#joining.onCaughtUp();
        break;
      case 'defunct':
        this.#learner.hint(from, message.chosen);
        break;
      case 'join':
        this.#reconfiguration.onJoin(from, configuration, message);
        break;
      case 'genesis':
        this.#onGenesis(message.configuration);
        break;
      default:
        this.#reading.onMessage(from, message);
    }
  }

  #onAccept(from: MemberNumber, message: Accept): void {
    invariant(ownerOf(message.ballot) === from, 'ballot-owner-proposes');
    const isPassedOver = message.ballot >= this.promised && this.#context.withholds(from, message.ballot);
    if (isPassedOver) this.#context.passedOver.add(from);
    if (!isPassedOver && !this.#acceptor.accept(message.ballot, message.slot, message.decree)) return;
    this.#followPrimary(from, message.ballot, message.chosen);
  }

  #onHeartbeat(from: MemberNumber, message: Heartbeat): void {
    invariant(ownerOf(message.ballot) === from, 'ballot-owner-proposes');
    const context = this.#context;
    if (message.ballot < this.#acceptor.promised) {
      context.send(from, { kind: 'refuse', ballot: message.ballot, promised: this.#acceptor.promised });
      return;
    }
    this.#followPrimary(from, message.ballot, message.chosen);
    // It may have said that another configuration was chosen, in which one of the two has no voice.
    if (context.self !== 0 && context.isMember(from))
      answerHeartbeat(context, this.#acceptor, this.#leadership, from, message);
  }

  #followPrimary(from: MemberNumber, ballot: Ballot, chosen: Slot): void {
    if (ballot > this.#context.ballotSeen) this.#context.ballotSeen = ballot;
    this.#roleChanges.yieldTo(ballot);
    this.#election.heardPrimary(ballot);
    this.#learner.onClaim(from, ballot, chosen);
    this.#progress.choose(this.#learner.believable());
  }

  #onLearn(from: PeerNumber, message: Learn): void {
    const context = this.#context;
    this.#learner.hint(from, message.slot);
    this.#learner.onLearn(from);
    if (message.slot !== context.chosen + 1) return;
    this.#acceptor.learn(message.slot, message.ballot, message.decree);
    this.#progress.choose(message.slot);
    // Accepts that came behind the gap may have been waiting for just this slot.
    this.#progress.choose(this.#learner.believable());
  }

  #onGenesis(configuration: Configuration): void {
    requires(this.#context.configuration === null && this.#context.chosen === 0, 'genesis-once');
    this.#genesis.record(configuration);
    this.#progress.configure(configuration);
    this.#election.restart();
  }
}
