/**
 * The engine: drains inputs, steps the protocol, carries out its effects, once per turn. Runs in a worker thread or
 * inline; knows neither. All callbacks, no promises: whoever provides time, medium and transport decides every order.
 */

import type { SynodError } from '../errors.js';
import type { MemberChange, VersionRaise } from '../protocol/reconfiguration.js';
import type { Connection } from '../transport/transport.js';
import { Assembly } from './assembly.js';
import { brokenContract } from './broken-contract.js';
import type { Checkpoints } from './checkpoints.js';
import type { LeadershipOrder } from './engine-leadership.js';
import type { EngineParts, EngineStatus } from './engine-types.js';
import type { BootstrapOrder } from './first-configuration.js';
import type { MemberHealth } from './health.js';
import type { Link } from './links.js';
import { engineStatus } from './status.js';

export class Engine {
  readonly #parts: EngineParts;
  readonly #pieces: Assembly;
  #fenced: SynodError | null = null;
  #inTurn = false;
  #durableWrite = -1;
  #ready: (() => void) | null = null;
  #startWritten = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#pieces = new Assembly(parts, {
      isStopped: () => this.#isStopped,
      fence: (error) => this.fence(error),
      guard: (action) => this.#guard(action),
      tick: () => this.tick(),
    });
  }

  get isFenced(): boolean {
    return this.#fenced !== null;
  }

  /** Null where this replica keeps none. */
  get checkpoints(): Checkpoints | null {
    return this.#pieces.checkpoints;
  }

  get #isStopped(): boolean {
    return this.#fenced !== null || this.#pieces.shutdown.isBegun;
  }

  /** Begins: `ready` is called once the log can be written to. */
  start(ready: () => void): void {
    this.#ready = ready;
    this.#pieces.log.prepareStandby();
  }

  // Callbacks of medium and transport. They only note what happened; the turn deals with it.

  onPersisted(ticket: number): void {
    const write = this.#pieces.log.onPersisted(ticket);
    if (write > this.#durableWrite) this.#durableWrite = write;
    if (this.#pieces.shutdown.isBegun) this.#pieces.shutdown.onDurable();
    else if (!this.#inTurn) this.#parts.schedule();
  }

  onConnection(connection: Connection): void {
    if (this.#isStopped) connection.close('this replica is closing');
    else this.#pieces.links.onConnection(connection);
  }

  onConnectFailed(token: number, error: SynodError): void {
    this.#pieces.links.onConnectFailed(token, error);
  }

  onReceived(connection: Connection, bytes: Uint8Array, start: number, end: number, lease: number): void {
    (connection.context as Link).reader.push(bytes, start, end, lease);
    this.#pieces.intake.onReceived(connection.context as Link);
  }

  onPayloadsSent(connection: Connection, count: number): void {
    (connection.context as Link | null)?.sending.splice(0, count);
  }

  onClosed(connection: Connection, reason: string): void {
    const link = connection.context as Link | null;
    if (link != null) this.#pieces.intake.onClosed(link);
    this.#guard(() => this.#pieces.links.onClosed(connection, reason));
    if (!this.#inTurn) this.#parts.schedule();
  }

  /** Time has passed. */
  tick(): void {
    if (this.#isStopped) return;
    const { core, first, health, keeper, leadership, links, log, segments } = this.#pieces;
    if (!this.#startWritten) {
      // The log cannot be written to yet, so nothing may happen; but where the disk is full, space is asked for again.
      keeper.tick(this.#parts.now());
      return;
    }
    this.#guard(() => {
      const now = this.#parts.now();
      // Before the tick that judges by it: a primary whose disk has space again need not step down for having had none.
      const able = !keeper.isFull || log.hasRoom(this.#parts.options.limits.decreeBytesMax);
      core.step({ kind: 'able', able }, now);
      leadership.tick(now);
      core.step({ kind: 'tick' }, now);
      links.tick(now);
      keeper.tick(now);
      links.checkCongestion(now);
      segments.isDue = true;
      this.checkpoints?.tick();
      health.tick(now);
      keeper.mark(now);
      first.tick(now);
    });
    this.turn();
  }

  /** One turn: everything that has happened is dealt with, and everything that is due goes out. */
  turn(): void {
    if (this.#inTurn || this.#isStopped) return;
    this.#inTurn = true;
    const { bridge, transport, now } = this.#parts;
    const { core, deliveries, effects, intake, leadership, links, log, reads, segments, wake } = this.#pieces;
    bridge.setEngineAsleep(false);
    this.#guard(() => {
      this.#takeDurable();
      // Before the start number is durable, it must not be told to anyone: the next opening could have the same.
      if (this.#startWritten) intake.read();
      // By what was read: a disk that was set back, say. What is under way must not be sent any more.
      if (this.#fenced !== null) return;
      reads.take((input) => core.step(input, now()));
      leadership.turn(now());
      effects.carryOut(core.takeEffects(log.room));
      this.#settle();
      this.#submit(now());
      // A medium whose writes are synchronous reports them from inside `flush`, and what became chosen goes out at once.
      for (let round = 0; round < 4; round += 1) {
        log.flush();
        if (!this.#takeDurable()) break;
        effects.carryOut(core.takeEffects(log.room));
        this.#submit(now());
      }
      bridge.promised = core.promised;
      if (this.#fenced !== null) return;
      // Before the application is told: the peers wait for this, and it waits for them.
      transport.flush();
      if (deliveries.advance(core.chosen)) wake.onDelivered();
      segments.release();
      effects.endTurn();
    });
    for (const link of links.up.values()) link.reader.releaseSpent();
    this.#inTurn = false;
    bridge.setEngineAsleep(true);
    // The application looked before this thread said that it sleeps: nobody would wake it.
    if (this.#fenced === null && this.#hasWork() && bridge.takeEngineAsleep()) this.#parts.schedule();
  }

  /** The application's orders about who leads. */
  lead(order: LeadershipOrder): void {
    this.#order(() => this.#pieces.leadership.take(order));
  }

  /** Stops for good: nothing is acknowledged, sent or written any more. The process lives on. */
  fence(error: SynodError): void {
    if (this.#fenced !== null) return;
    this.#fenced = error;
    this.checkpoints?.stop();
    this.#pieces.shutdown.onDurable();
    this.#parts.logger.fatal({ error }, 'replica fenced');
    this.#parts.transport.close(() => {});
    this.#parts.emit({ kind: 'fenced', error });
  }

  /** What was written becomes durable, then a mark that says so, then everything is closed. */
  close(callback: () => void): void {
    const { shutdown } = this.#pieces;
    const isClean = !shutdown.isBegun && this.#fenced === null && this.#startWritten;
    if (isClean) shutdown.clean(() => this.#fenced !== null, callback);
    else shutdown.now(callback);
  }

  /** What is known of each member. */
  get health(): readonly MemberHealth[] {
    return this.#pieces.health.members;
  }

  /** Has the configuration replaced; a `change-settled` event tells what became of it. */
  change(change: MemberChange | VersionRaise): void {
    this.#order(() => {
      if ('members' in change) this.#pieces.setPeers(change.members);
      this.#pieces.core.step({ kind: 'change', change }, this.#parts.now());
    });
  }

  /** Has the first configuration drawn up; a `bootstrap-settled` event tells what became of it. */
  bootstrap(order: BootstrapOrder): void {
    this.#order(() => this.#pieces.first.bootstrap(order, this.#parts.now()));
  }

  #order(action: () => void): void {
    if (this.#isStopped) return;
    this.#guard(action);
    this.#parts.schedule();
  }

  status(): EngineStatus {
    const { core, links, log, peers } = this.#pieces;
    return engineStatus(this.#parts, core, links, peers, log);
  }

  // Inputs.

  #takeDurable(): boolean {
    const write = this.#durableWrite;
    if (write < 0) return false;
    this.#durableWrite = -1;
    const { core, first, keeper, log } = this.#pieces;
    if (write > 0) core.step({ kind: 'durable', write }, this.#parts.now());
    if (log.isIdle) first.onAllDurable();
    first.tellWhatIsDurable();
    if (!this.#startWritten) {
      this.#startWritten = true;
      keeper.dropUnused();
      this.#ready?.();
    }
    return true;
  }

  #submit(now: number): void {
    if (!this.#startWritten) return;
    const { core, peers, sender, submitter } = this.#pieces;
    const { role, primary, self } = core;
    if (role === 'primary') submitter.propose(now);
    else {
      const link = peers.link(primary);
      if (primary !== 0 && link !== undefined && self !== 0) submitter.forward(link, now);
      if (submitter.forwarded.length > 0) submitter.forwarded.length = 0;
    }
    // What could not be proposed now must not stay in the receive buffers, which are given back at the end of the turn.
    submitter.keep((pieces) => sender.join({ payload: pieces }));
  }

  #settle(): void {
    const { grants, links, submitter } = this.#pieces;
    const { count, bytes } = grants.settle(this.#parts.bridge.resolved);
    if (count > 0) submitter.settle(count, bytes);
    if (!grants.hasExecuted) return;
    const inUse = new Set<number>();
    links.addMemories(inUse);
    grants.release(inUse);
  }

  #hasWork(): boolean {
    const { core, grants, leadership, log, reads, submitter } = this.#pieces;
    if (this.#durableWrite >= 0 || reads.isDue) return true;
    if (core.role === 'primary')
      return (
        leadership.canPropose && submitter.hasWork && log.hasRoom(this.#parts.options.limits.decreeBytesMax)
      );
    return grants.hasReady && core.primary !== 0;
  }

  /** A broken contract, or any other surprise, fences this replica and nothing else. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fence(brokenContract(error));
    }
  }
}
