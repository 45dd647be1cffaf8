/**
 * One life of a replica: the real engine and the real application's side on simulated medium, transport, clock and
 * threads. Put together as src/engine/host.ts and src/replica.ts do it, without their promises.
 */

import { ApplicationSide, type CheckpointSettings } from '../../src/application/application-side.js';
import { CheckpointCopies } from '../../src/application/checkpoint-copies.js';
import type { CheckpointReading } from '../../src/application/checkpoint-restore.js';
import type { CheckpointPolicy } from '../../src/application/checkpoint-schedule.js';
import type { RestoredState } from '../../src/application/checkpoints.js';
import { crc32c } from '../../src/checksum.js';
import { BLOCK_COUNT, Bridge, CHECKPOINT_DELIVERY, type Delivery } from '../../src/engine/bridge.js';
import { Engine } from '../../src/engine/engine.js';
import type { LeadershipOrder } from '../../src/engine/engine-leadership.js';
import { type EngineEvent, type EngineOptions, isOfMemory } from '../../src/engine/engine-types.js';
import type { BootstrapOrder, BootstrapOutcome } from '../../src/engine/first-configuration.js';
import { type RecoveredLog, recoverLog } from '../../src/engine/recover.js';
import { versionsOf } from '../../src/engine/versions.js';
import { SynodError } from '../../src/errors.js';
import type { Logger } from '../../src/logger.js';
import type { Random } from '../properties/random.js';
import { SimulatedCheckpointStore } from './checkpoint-store.js';
import type { MachineClock } from './clock.js';
import type { Disk } from './disk.js';
import type { EventQueue } from './event-queue.js';
import { SimulatedMedium } from './medium.js';
import { Network } from './network.js';
import type { SimulatedService } from './service.js';
import { ProcessDied, Thread } from './thread.js';
import { SimulatedTransport, type TransportOptions } from './transport.js';

export interface ProcessOptions {
  readonly events: EventQueue;
  readonly network: Network;
  readonly random: Random;
  readonly clock: MachineClock;
  readonly disk: Disk;
  readonly machine: number;
  readonly engine: EngineOptions;
  /** Engine and application on one thread. */
  readonly isInline: boolean;
  readonly stateMachine: SimulatedService;
  /** Null where it makes none. */
  readonly checkpoints: CheckpointPolicy | null;
  /** What the application answers where it is asked who may lead. */
  readonly saysNo: (to: 'leadNo' | 'voteNo') => boolean;
  readonly logger: Logger;
  /** `stepsLeft` is 0: it is killed here. */
  readonly onStepsDone: () => void;
  readonly onSend: TransportOptions['onSend'];
  readonly onWrite: (segment: number, memory: Uint8Array, from: number, to: number) => void;
  readonly onDurable: (writes: number) => void;
  readonly onRemove: (segment: number) => void;
  /** False: it must not go on from this. */
  readonly onRecovered: (recovered: RecoveredLog, incarnation: Uint8Array) => boolean;
  readonly onOpened: () => void;
  readonly onOpenFailed: (error: SynodError) => void;
  readonly onFenced: (error: SynodError) => void;
  readonly onBootstrapSettled: (request: number, outcome: BootstrapOutcome) => void;
  /** The state machine has the state behind this slot. */
  readonly onRestored: (slot: number) => void;
  readonly onCheckpoint: (source: 'made' | 'copied') => void;
  /** The application has executed the decree of `delivery.slot`. */
  readonly onApplied: (delivery: Delivery, bytes: Uint8Array | null) => void;
}

/** Tells what the executor has executed. */
class WatchedBridge extends Bridge {
  onApplied: (delivery: Delivery) => void = () => {};
  onRestored: (slot: number) => void = () => {};
  #delivery: Delivery | null = null;
  #blocks = 0;

  override changeBlockState(index: number, from: number, to: number): boolean {
    if (index > this.#blocks) this.#blocks = index;
    return super.changeBlockState(index, from, to);
  }
  /** Nobody uses it any more. What was used of it is zeroed; a delivery is written before it is read. */
  recycle(): void {
    const blocks = Math.min(BLOCK_COUNT, this.#blocks + 2);
    new Uint8Array(this.buffer, 0, BRIDGE_HEAD_BYTES + blocks * BLOCK_BYTES).fill(0);
    spareBridges.push(this.buffer);
  }

  override peekDelivery(into: Delivery): boolean {
    this.#delivery = into;
    return super.peekDelivery(into);
  }
  override get applied(): number {
    return super.applied;
  }
  override set applied(slot: number) {
    super.applied = slot;
    // What is restored before there is a log is told when that was recovered.
    if (this.#delivery === null) return;
    if (this.#delivery.kind === CHECKPOINT_DELIVERY) this.onRestored(slot);
    else this.onApplied(this.#delivery);
  }
}

/** Their memory is used again: it is great, and a short run would spend its time on it. */
const spareBridges: SharedArrayBuffer[] = [];
/** Bytes of a bridge before its blocks, rounded up, and of one block. */
const BRIDGE_HEAD_BYTES = 256;
const BLOCK_BYTES = 32;

export class SimulatedProcess {
  readonly bridge: WatchedBridge;
  readonly side: ApplicationSide<Uint8Array>;
  readonly copies: CheckpointCopies;
  readonly stateMachine: SimulatedService;
  readonly engineThread: Thread;
  readonly applicationThread: Thread;
  engine: Engine | null = null;
  state: 'opening' | 'open' | 'failed' | 'fenced' | 'dead' = 'opening';
  /** The process dies at the step that makes this 0. */
  stepsLeft = Number.POSITIVE_INFINITY;
  steps = 0;
  /** The lives of other machines that this process has met, by machine: the newest of each. */
  readonly metLife: Map<number, number> = new Map();

  readonly #options: ProcessOptions;
  readonly #medium: SimulatedMedium;
  readonly #transport: SimulatedTransport;
  readonly #outbox: Map<number, Uint8Array> = new Map();
  /** Told by the engine, and not heard by the application yet. */
  #told: EngineEvent[] = [];
  readonly #memories: Map<number, Uint8Array> = new Map();
  #turnIsDue = false;
  readonly #runTurn = (): void => {
    this.#turnIsDue = false;
    this.engine!.turn();
  };

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { events, network, disk, random, machine } = options;
    this.stateMachine = options.stateMachine;
    this.engineThread = new Thread(events);
    this.applicationThread = options.isInline ? this.engineThread : new Thread(events);
    const onStep = (): void => this.#onStep();
    this.#medium = new SimulatedMedium({
      disk,
      events,
      random,
      thread: this.engineThread,
      onStep,
      onWrite: (memory, from, to) => options.onWrite(memory.segment, memory.bytes, from, to),
      onDurable: options.onDurable,
      onRemove: options.onRemove,
    });
    this.#transport = new SimulatedTransport({
      network,
      machine,
      thread: this.engineThread,
      onStep,
      onSend: options.onSend,
    });
    const bridge = new WatchedBridge(spareBridges.pop());
    bridge.onApplied = (delivery) =>
      options.onApplied(delivery, delivery.bytes === 0 ? null : this.#memories.get(delivery.memory)!);
    bridge.onRestored = options.onRestored;
    this.bridge = bridge;
    this.side = new ApplicationSide<Uint8Array>({
      bridge,
      stateMachine: options.stateMachine,
      limits: options.engine.limits,
      segmentBytes: disk.model.segmentBytes,
      files: { map: () => new Uint8Array(0), unmap: () => {} },
      afterwards: (call) => this.applicationThread.afterwards(call),
      later: (call) => events.after(0.01, () => this.applicationThread.run(call)),
      now: () => options.clock.steady,
      allowsLeases: options.engine.leases != null,
      startTimer: (timeoutMs, call) => this.#startTimer(timeoutMs, call),
      onFenced: (error) => this.copies.rejectAll(error),
      ...this.#checkpointSettings(),
      membership: {
        startsInactive: options.engine.members.length === 0,
        replica: options.engine.replica,
        send: (change) => events.after(0.01, () => this.engineThread.run(() => this.engine!.change(change))),
        onChange: () => {},
      },
    });
    this.copies = new CheckpointCopies({
      replica: options.engine.replica,
      checkpoints: () => this.side.checkpoints,
      applied: () => bridge.applied,
      send: (order) => this.#toEngine(() => this.engine!.checkpoints!.copy(order)),
      startTimer: (timeoutMs, call) => this.#startTimer(timeoutMs, call),
    });
  }

  start(): void {
    this.#options.events.after(0.01, () => this.applicationThread.run(() => this.#restore()));
  }

  #storeOf(thread: Thread): SimulatedCheckpointStore {
    const { disk, events, random } = this.#options;
    return new SimulatedCheckpointStore({ disk, events, random, thread, onStep: () => this.#onStep() });
  }

  #checkpointSettings(): { readonly checkpoints?: CheckpointSettings } {
    const { checkpoints, engine, machine, random, logger, clock, onCheckpoint } = this.#options;
    if (checkpoints === null) return {};
    const settings: CheckpointSettings = {
      store: this.#storeOf(this.applicationThread),
      policy: checkpoints,
      cluster: engine.cluster,
      replica: engine.replica,
      index: machine,
      count: Math.max(1, engine.members.length),
      crc32c,
      logger,
      drawNonce: () => [random.word(), random.word()],
      now: () => clock.steady,
      wallNow: () => clock.wall,
      onNotice: (notice) => this.#toEngine(() => this.engine!.checkpoints!.onNotice(notice)),
      onDurable: ({ source }) => onCheckpoint(source),
      restoreState: (_, reading, done) => readAll(reading, (pieces) => this.stateMachine.load(pieces), done),
    };
    return { checkpoints: settings };
  }

  /** As `Replica.open` does: first the state, then the engine. */
  #restore(): void {
    const { events } = this.#options;
    const goOn = (state: RestoredState | null): void =>
      events.after(0.01, () => this.engineThread.run(() => this.#open(state)));
    const { checkpoints } = this.side;
    if (checkpoints === null) goOn(null);
    else
      checkpoints.restoreNewest((error, state) => {
        if (error !== null) this.#fail(error);
        else goOn(state!);
      });
  }

  #fail(error: SynodError): void {
    if (this.state !== 'opening') return;
    this.state = 'failed';
    this.#options.onOpenFailed(error);
  }

  /** Something that the application tells the engine beside the bridge. */
  #toEngine(call: () => void): void {
    if (this.#options.isInline) call();
    else this.#options.events.after(this.#crossingMs(), () => this.engineThread.run(call));
  }

  /** Killed; `isSilent` where the whole machine is gone and tells nobody. */
  die(isSilent: boolean): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.engineThread.die();
    this.applicationThread.die();
    this.#medium.abandon();
    this.#transport.abandon(isSilent);
    this.bridge.recycle();
  }

  /** Stands still, as a process that was sent SIGSTOP. */
  pause(until: number): void {
    this.engineThread.stand(until);
    this.applicationThread.stand(until);
    const { events, network, machine } = this.#options;
    events.at(until, () => {
      if (this.state !== 'dead') network.deliverTo(machine);
    });
  }

  /** Goes on at once. */
  wake(): void {
    this.engineThread.wake();
    this.applicationThread.wake();
    this.#options.network.deliverTo(this.#options.machine);
  }

  get isPaused(): boolean {
    return this.engineThread.stands;
  }

  /** As the application orders it. */
  lead(order: LeadershipOrder): void {
    if (this.state !== 'open') return;
    this.#options.events.after(this.#crossingMs(), () =>
      this.engineThread.run(() => this.engine!.lead(order)),
    );
  }

  bootstrap(order: BootstrapOrder): void {
    if (this.state !== 'open') return;
    this.#options.events.after(this.#crossingMs(), () =>
      this.engineThread.run(() => this.engine!.bootstrap(order)),
    );
  }

  /** Closes as a service does that is asked to end: on its own thread, behind what that was given before. */
  close(callback: () => void): void {
    this.applicationThread.run(() => {
      this.side.beginClose();
      this.engineThread.run(() =>
        this.engine!.close(() =>
          this.applicationThread.run(() => {
            this.side.endClose();
            this.copies.rejectAll(new SynodError('ERR_SYNOD_CLOSED', 'the replica was closed'));
            callback();
          }),
        ),
      );
    });
  }

  #onStep(): void {
    // The code that runs belongs to a process that is gone: it must not go on.
    if (this.state === 'dead') throw new ProcessDied();
    this.steps += 1;
    this.stepsLeft -= 1;
    if (this.stepsLeft > 0) return;
    this.#options.onStepsDone();
    throw new ProcessDied();
  }

  #open(state: RestoredState | null): void {
    const { engine, random } = this.#options;
    const fail = (error: SynodError): void => this.#fail(error);
    this.#medium.start(
      {
        onPersisted: (ticket) => this.engine?.onPersisted(ticket),
        onFailure: (error) => {
          this.engine?.fence(error);
          fail(error);
        },
      },
      (startError, segments) => {
        if (startError !== null) return fail(startError);
        recoverLog(
          this.#medium,
          segments!,
          {
            cluster: engine.cluster,
            replica: engine.replica,
            checkpoint: state?.restored ?? null,
            versions: versionsOf(engine),
          },
          crc32c,
          (error, recovered) => {
            if (error !== null) return fail(error);
            const incarnation =
              recovered!.diskIncarnation ?? Uint8Array.from({ length: 16 }, () => random.below(256));
            if (!this.#options.onRecovered(recovered!, incarnation)) return;
            if (state !== null) this.#options.onRestored(state.restored.slot);
            this.#run(recovered!, incarnation, state);
          },
        );
      },
    );
  }

  #run(recovered: RecoveredLog, diskIncarnation: Uint8Array, state: RestoredState | null): void {
    const { engine: options, logger, clock, random, machine, checkpoints } = this.#options;
    const origin = clock.steady;
    let bytesCopied = 0;
    const engine = new Engine({
      options,
      medium: this.#medium,
      transport: this.#transport,
      bridge: this.bridge,
      recovered,
      diskIncarnation,
      checkpoints:
        checkpoints === null
          ? null
          : { store: this.#storeOf(this.engineThread), notice: state?.notice ?? null },
      logger,
      crc32c,
      copy: (target, at, source, start, end) => {
        target.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
        bytesCopied += end - start;
      },
      bytesCopied: () => bytesCopied,
      now: () => clock.steady - origin,
      wallNow: () => clock.wall,
      random: () => random.real(),
      drawNonce: () => [random.word(), random.word()],
      schedule: () => this.#schedule(),
      later: (afterMs, call) =>
        this.#options.events.after(clock.worldMs(afterMs), () => this.engineThread.run(call)),
      wakeApplication: () => this.#wakeApplication(),
      emit: (event) => this.#emit(event),
      outbox: (chunk) => this.#outbox.get(chunk)!,
    });
    this.engine = engine;
    const handler = {
      onConnection: engine.onConnection.bind(engine),
      onConnectFailed: engine.onConnectFailed.bind(engine),
      onReceived: engine.onReceived.bind(engine),
      onPayloadsSent: engine.onPayloadsSent.bind(engine),
      onClosed: engine.onClosed.bind(engine),
      onTurnEnd: () => engine.turn(),
    };
    this.#transport.listen(handler, Network.address(machine), () => engine.start(() => this.#onReady()));
    this.#tickLater();
  }

  #onReady(): void {
    const { events, isInline, onOpened } = this.#options;
    this.bridge.setEngineAsleep(true);
    this.#schedule();
    const open = (): void => {
      if (this.state !== 'opening') return;
      this.state = 'open';
      this.side.open({
        blockBytes: this.#medium.blockBytes,
        wakeEngine: () => this.#wakeEngine(),
        sendChunk: (chunk, buffer) => void this.#outbox.set(chunk, new Uint8Array(buffer)),
        hear: () => this.#hearOfMemory(),
        fence: (error) => events.after(0.01, () => this.engineThread.run(() => this.engine!.fence(error))),
      });
      onOpened();
    };
    if (isInline) this.engineThread.afterwards(open);
    else events.after(this.#crossingMs(), () => this.applicationThread.run(open));
  }

  #tickLater(): void {
    const { events, clock, engine } = this.#options;
    const tickMs = Math.max(2, engine.heartbeatMs / 3);
    events.after(clock.worldMs(tickMs), () =>
      this.engineThread.run(() => {
        this.#transport.reap();
        this.engine!.tick();
        this.#tickLater();
      }),
    );
  }

  #schedule(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    this.#options.events.after(0.005, () => this.engineThread.run(this.#runTurn));
  }

  // Between the threads.

  #crossingMs(): number {
    return this.#options.random.between(0.005, 0.1);
  }

  #wakeApplication(): void {
    const { events, isInline } = this.#options;
    if (isInline) this.engineThread.afterwards(() => this.side.run());
    else
      events.after(this.#crossingMs(), () =>
        this.applicationThread.run(() => {
          this.#hear();
          this.side.run();
        }),
      );
  }

  #wakeEngine(): void {
    const { events, isInline } = this.#options;
    if (isInline) this.engine!.turn();
    else events.after(this.#crossingMs(), () => this.engineThread.run(() => this.engine!.turn()));
  }

  #emit(event: EngineEvent): void {
    if (this.state === 'dead') return;
    if (event.kind === 'fenced') {
      if (this.state === 'failed') return;
      this.state = 'fenced';
      this.#options.onFenced(event.error);
    }
    if (this.#options.isInline) {
      this.#onEvent(event);
      return;
    }
    this.#told.push(event);
    if (this.#told.length === 1)
      this.#options.events.after(this.#crossingMs(), () => this.applicationThread.run(() => this.#hear()));
  }

  #hear(): void {
    const told = this.#told;
    this.#told = [];
    for (const event of told) this.#onEvent(event);
  }

  /** In the middle of a call: what else was told is heard in a turn of its own, which is on its way. */
  #hearOfMemory(): void {
    const told = this.#told;
    this.#told = told.filter((event) => !isOfMemory(event));
    for (const event of told) if (isOfMemory(event)) this.#onEvent(event);
  }

  #onEvent(event: EngineEvent): void {
    if (event.kind === 'memory' && event.reference.kind === 'shared')
      this.#memories.set(event.segment, new Uint8Array(event.reference.buffer));
    else if (event.kind === 'chunk') this.#memories.set(-1 - event.chunk, new Uint8Array(event.buffer));
    else if (event.kind === 'bootstrap-settled')
      this.#options.onBootstrapSettled(event.request, event.outcome);
    else if (event.kind === 'copy-settled') this.copies.onSettled(event);
    else if (event.kind === 'ask-to-lead')
      this.lead({
        kind: 'may-lead',
        request: event.request,
        may: !this.#options.saysNo('leadNo'),
        // Another one each time: nobody votes for it because of what it said of the one before.
        cookie: Uint8Array.of(this.#options.machine, event.request & 3),
      });
    else if (event.kind === 'ask-to-vote')
      this.lead({ kind: 'may-vote', request: event.request, may: !this.#options.saysNo('voteNo') });
    this.side.onEvent(event);
  }

  #startTimer(timeoutMs: number, call: () => void): () => void {
    const { events, clock } = this.#options;
    let isStopped = false;
    events.after(clock.worldMs(timeoutMs), () => {
      if (!isStopped) this.applicationThread.run(() => (isStopped ? undefined : call()));
    });
    return () => {
      isStopped = true;
    };
  }
}

/** Reads a checkpoint to its end, and loads the state if it is sound. */
function readAll(
  reading: CheckpointReading,
  load: (pieces: readonly Uint8Array[]) => void,
  done: (error: unknown) => void,
): void {
  const all: Uint8Array[] = [];
  const next = (): void =>
    reading.next((error, pieces) => {
      if (error !== null) return done(error);
      if (pieces == null) {
        load(all);
        return done(null);
      }
      all.push(...pieces);
      next();
    });
  next();
}
