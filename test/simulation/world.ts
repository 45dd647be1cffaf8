/**
 * The simulated world of one run: machines, network, clients, and word of all that can be seen. First trouble, by the
 * script; then peace among a quorum (`peace.ts`), in which the cluster must show that nothing was lost.
 */

import { crc32c } from '../../src/checksum.js';
import type { Delivery } from '../../src/engine/bridge.js';
import type { RecoveredLog } from '../../src/engine/recover.js';
import type { SynodError } from '../../src/errors.js';
import { priorityBounds } from '../../src/limits.js';
import type { Logger } from '../../src/logger.js';
import { type Configuration, versionOf } from '../../src/protocol/configuration.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { decodeMessage } from '../../src/wire/codec.js';
import { FrameKind } from '../../src/wire/frame.js';
import { Random } from '../properties/random.js';
import { Bootstraps } from './bootstraps.js';
import { Calls } from './calls.js';
import { Changes } from './changes.js';
import { Client } from './client.js';
import { MachineClock } from './clock.js';
import type { SimulatedConnection } from './connection.js';
import { Copies } from './copies.js';
import { Disk } from './disk.js';
import { EventQueue } from './event-queue.js';
import type { Invariants } from './invariants/index.js';
import { LogTap, valueText } from './log-tap.js';
import { Machine } from './machine.js';
import { Network } from './network.js';
import { type Observation, Violation } from './observation.js';
import { SimulatedProcess } from './process.js';
import { Raises } from './raises.js';
import { Readers } from './readers.js';
import type { Script } from './script.js';
import { SimulatedService } from './service.js';
import { Trace } from './trace.js';

export interface WorldOptions {
  readonly invariants: Invariants;
  /** Prints what happens. */
  readonly print: ((line: string) => void) | null;
}

/** A configuration, and the slot behind which it is in force. */
export interface InForce {
  readonly configuration: Configuration;
  readonly after: number;
}

const CLOSE_MS_MAX = 2000;

export class World {
  readonly script: Script;
  readonly events = new EventQueue();
  readonly trace = new Trace();
  readonly network: Network;
  readonly machines: Machine[];
  readonly clients: Client[];
  readonly calls = new Calls(this);
  readonly readers: Readers;
  readonly changes = new Changes(this);
  readonly bootstraps = new Bootstraps(this);
  readonly copies = new Copies(this);
  readonly raises = new Raises(this);
  /** The highest version of the protocol that any disk has a configuration under. */
  versionMost = 1;
  /** In order of their numbers. */
  readonly configurations: InForce[] = [];
  /** For decisions of the world itself. */
  readonly random: Random;
  /** Applications say yes to whoever wants to lead. */
  isWilling = false;
  violation: Violation | null = null;
  /** The highest slot that any state machine executed. */
  appliedMost = 0;
  readonly checkpoints = { made: 0, copied: 0, dropped: 0 };
  crashes = 0;
  wipes = 0;

  readonly #options: WorldOptions;
  readonly #randoms: { disk: Random; process: Random };
  #disks = 0;

  constructor(script: Script, options: WorldOptions) {
    this.script = script;
    this.#options = options;
    const { settings } = script;
    const root = new Random(script.seed + 0.5 * 2 ** 31);
    this.random = root.fork();
    this.#randoms = { disk: root.fork(), process: root.fork() };
    const count = settings.replicas + (settings.spares ?? 0);
    this.network = new Network(count, this.events, root.fork(), settings.network);
    this.network.remembers = script.faults.some((fault) => fault.kind === 'frame' && fault.what === 'replay');
    this.readers = new Readers(
      this,
      new Random(script.seed + 0.625 * 2 ** 31),
      settings.reads ?? { everyMs: 1, burst: 1 },
    );
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, count);
    this.machines = ids.map((id, index) => {
      const { disk, tap } = this.#makeDisk(() => this.machines[index]!);
      const machine = new Machine(index, id, new MachineClock(this.events), disk, tap);
      if (settings.versions !== undefined) machine.versions = settings.versions[index]!;
      return machine;
    });
    const call = this.calls.make.bind(this.calls);
    const callBatch = this.calls.makeBatch.bind(this.calls);
    this.clients = Array.from(
      { length: settings.clients },
      (_, number) =>
        new Client(
          number + 1,
          { events: this.events, settings, replicas: ids, call, callBatch },
          root.fork(),
        ),
    );
  }

  /** Runs on until `until`, or until `isDone`. Throws the first violation. */
  runUntil(until: number, isDone: () => boolean = () => false): boolean {
    while (this.events.step(until)) {
      if (this.violation !== null) throw this.violation;
      this.trace.add(this.events.now);
      if (isDone()) return true;
    }
    if (this.violation !== null) throw this.violation;
    return isDone();
  }

  get latest(): InForce | null {
    return this.configurations.at(-1) ?? null;
  }

  tell(observation: Observation): void {
    if (this.violation !== null) return;
    this.#options.print?.(describe(observation));
    this.judge(() => this.#options.invariants.observe(observation));
  }

  print(line: () => string): void {
    this.#options.print?.(`${this.events.now.toFixed(2)} ${line()}`);
  }

  /** A violation may be found deep inside a call of the code under test, which must not catch it. */
  judge(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.violation ??=
        error instanceof Violation ? error : new Violation('simulator', String((error as Error).stack));
    }
  }

  fail(invariant: string, detail: string): void {
    this.violation ??= new Violation(invariant, detail);
  }

  // Processes.

  startAt(machine: Machine, at: number): void {
    machine.startsAt = at;
    const { life } = machine;
    this.events.at(at, () => {
      if (machine.life === life && machine.startsAt === at && !machine.isOff) this.start(machine);
    });
  }

  start(machine: Machine): void {
    if (machine.process !== null) return;
    machine.startsAt = Number.POSITIVE_INFINITY;
    machine.life += 1;
    machine.appliedSlot = 0;
    machine.executed = new Set();
    const { life, id, tap } = machine;
    const { settings } = this.script;
    const isNow = (): boolean => machine.life === life;
    const process = new SimulatedProcess({
      events: this.events,
      network: this.network,
      random: this.#randoms.process.fork(),
      clock: machine.clock,
      disk: machine.disk,
      machine: machine.index,
      isInline: settings.isInline,
      engine: {
        cluster: 'simulated',
        replica: id,
        // A spare knows of the first members; they know nothing of it.
        members: this.machines
          .filter((each) => !settings.isBootstrapped && (each.index < settings.replicas || each === machine))
          .map((each) => ({ id: each.id, address: Network.address(each.index) })),
        electionTimeoutMs: settings.electionTimeoutMs,
        heartbeatMs: settings.heartbeatMs,
        leadership: {
          priority: priorityBounds.default,
          standsWhileCatchingUp: false,
          asksToLead: settings.asks !== undefined,
          asksToVote: settings.asks !== undefined,
        },
        versions: machine.versions,
        leases: settings.clockDriftMax === undefined ? null : { clockDriftMax: settings.clockDriftMax },
        limits: { commandBytesMax: 4096, checkpointBytesPerSecondMax: 65_536, ...settings.limits },
      },
      checkpoints: settings.checkpoints ?? null,
      saysNo: (to) => !this.isWilling && this.#randoms.process.chance(settings.asks![to]),
      stateMachine: new SimulatedService({
        onExecuted: (slot, call) => this.#onExecuted(machine, slot, call),
        hasExecuted: (call) => machine.executed.has(call),
        onRestored: (calls) => {
          machine.executed = new Set(calls);
        },
      }),
      logger: this.#loggerOf(machine),
      onStepsDone: () => this.crash(machine, false, machine.stepsDownMs),
      onSend: (connection, header, payload, start, end) =>
        this.judge(() => this.#onSend(machine, connection, header, payload, start, end)),
      onWrite: (segment, memory, from, to) => this.judge(() => tap.onWrite(segment, memory, from, to)),
      onDurable: (writes) => this.judge(() => tap.onDurable(writes)),
      onRemove: (segment) => this.judge(() => this.#onRemove(machine, segment)),
      onRecovered: (recovered, incarnation) => this.#onRecovered(machine, recovered, incarnation),
      onOpened: () => this.print(() => `${id} open`),
      onOpenFailed: (error) => isNow() && this.#onOpenFailed(machine, error),
      onFenced: (error) => isNow() && this.#onFenced(machine, error),
      onBootstrapSettled: (request, outcome) => this.judge(() => this.bootstraps.onSettled(request, outcome)),
      onRestored: (slot) => this.judge(() => this.#onRestored(machine, slot)),
      onCheckpoint: (source) => {
        this.checkpoints[source] += 1;
      },
      onApplied: (delivery, bytes) => this.judge(() => this.#onApplied(machine, delivery, bytes)),
    });
    machine.process = process;
    if (machine.stepsArmed > 0) process.stepsLeft = machine.stepsArmed;
    machine.stepsArmed = 0;
    this.print(() => `${id} starts`);
    process.start();
  }

  /** Kills the process, and starts another one later. */
  crash(machine: Machine, isPower: boolean, downMs: number): void {
    this.#end(machine, 'crashed', '', isPower);
    this.crashes += 1;
    if (!machine.isOff) this.startAt(machine, this.events.now + downMs);
  }

  /** Ends it as a service does that is asked to. */
  close(machine: Machine, downMs: number): void {
    const { process, life } = machine;
    // A service closes its replica once.
    if (process === null || process.state !== 'open' || machine.isClosing) return;
    machine.isClosing = true;
    process.close(() => {
      if (machine.life !== life || machine.process !== process) return;
      this.judge(() => this.copies.onClosed(machine));
      this.#end(machine, 'closed', '', false);
      if (!machine.isOff) this.startAt(machine, this.events.now + downMs);
    });
  }

  /** The end of the run: every process is asked to close, and nobody is left waiting. */
  closeAll(): void {
    let by = this.events.now;
    for (const machine of this.machines) {
      machine.isOff = true;
      machine.stepsArmed = 0;
      machine.disk.failsNext = false;
      by = Math.max(by, machine.disk.stalledUntil);
      const { process } = machine;
      if (process === null) continue;
      process.stepsLeft = Number.POSITIVE_INFINITY;
      process.wake();
      if (process.state === 'open') this.close(machine, 0);
      else this.#end(machine, 'crashed', '', false);
    }
    const isDone = (): boolean => this.machines.every(({ isRunning }) => !isRunning);
    if (!isDone() && !this.runUntil(by + CLOSE_MS_MAX, isDone))
      throw new Violation(
        'close-settles',
        `${this.machines.filter(({ isRunning }) => isRunning).map(({ id }) => id)}`,
      );
  }

  /** A new, empty disk. The process must be gone. */
  replaceDisk(machine: Machine): void {
    machine.disk.discard();
    const { disk, tap } = this.#makeDisk(() => machine);
    disk.isHealed = machine.disk.isHealed;
    machine.disk = disk;
    machine.tap = tap;
    machine.incarnation = '';
    machine.backups = [];
    machine.isSetBack = false;
    this.wipes += 1;
    this.print(() => `${machine.id} has a new disk, ${disk.name}`);
  }

  /** The run is over: what it used is used again. */
  dispose(): void {
    for (const machine of this.machines) {
      machine.process?.die(false);
      machine.disk.discard();
    }
  }

  #makeDisk(machineOf: () => Machine): { disk: Disk; tap: LogTap } {
    this.#disks += 1;
    const disk = new Disk(`disk ${this.#disks}`, this.script.settings.disk);
    const tap = new LogTap(disk, {
      onWritten: (record) => {
        if (record.configuration !== null)
          this.versionMost = Math.max(this.versionMost, versionOf(record.configuration));
        if (record.kind === 'configuration') this.#onGenesis(record.configuration!);
        else if (record.configuration !== null) this.changes.onWritten(record.slot, record.configuration);
        this.tell({ kind: 'written', at: this.events.now, replica: machineOf().id, disk: disk.name, record });
      },
      onDurable: (record) =>
        this.tell({ kind: 'durable', at: this.events.now, replica: machineOf().id, disk: disk.name, record }),
    });
    return { disk, tap };
  }

  #seen(machine: Machine): { at: number; replica: string; disk: string } {
    return { at: this.events.now, replica: machine.id, disk: machine.disk.name };
  }

  #end(machine: Machine, how: 'crashed' | 'closed' | 'fenced', reason: string, isPower: boolean): void {
    const { process } = machine;
    if (process === null) return;
    machine.process = null;
    machine.isPrimary = false;
    machine.isClosing = false;
    machine.stepsArmed = 0;
    process.die(isPower);
    machine.tap.onEnded();
    this.tell({ ...this.#seen(machine), kind: 'ended', how, reason });
    this.calls.onEnded(machine);
    this.readers.onEnded(machine, how);
    this.changes.onEnded(machine);
    this.raises.onEnded(machine);
  }

  #onRecovered(machine: Machine, recovered: RecoveredLog, incarnation: Uint8Array): boolean {
    const { tap, disk } = machine;
    const { verdict, state } = recovered;
    let isGood = true;
    this.judge(() => {
      isGood = tap.onOpened(verdict.nextSequence - 1, verdict.chain) === 'complete';
    });
    if (!isGood) {
      // Damage of the very end, which docs/limits.md says cannot be seen: the simulated operator has seen it.
      this.print(() => `${machine.id}: the end of the log is lost, and nothing says so`);
      this.#replaceAndRestart(machine);
      return false;
    }
    machine.incarnation = Buffer.from(incarnation).toString('hex');
    this.tell({
      ...this.#seen(machine),
      kind: 'opened',
      incarnation: machine.incarnation,
      session: state.startNumber + 1,
      versionMax: machine.versions.max,
    });
    if (this.script.faults.some((fault) => fault.kind === 'set-back') && machine.backups.length < 4)
      machine.backups.push({ at: this.events.now, content: disk.snapshot(), records: tap.durableRecords });
    return true;
  }

  #onGenesis(configuration: Configuration): void {
    const [first] = this.configurations;
    if (first !== undefined && this.machines.some((machine) => machine.holds(first.configuration))) return;
    this.configurations.length = 0;
    this.configurations.push({ configuration, after: 0 });
  }

  #replaceAndRestart(machine: Machine): void {
    this.events.after(0, () => {
      this.#end(machine, 'closed', '', false);
      this.replaceDisk(machine);
      if (!machine.isOff) this.startAt(machine, this.events.now + this.#patience());
    });
  }

  #patience(): number {
    return this.script.settings.electionTimeoutMs * this.random.between(0.1, 2);
  }

  #onOpenFailed(machine: Machine, error: SynodError): void {
    this.print(() => `${machine.id} cannot open: ${error.message}`);
    const isDamage = error.code === 'ERR_SYNOD_LOG_CORRUPT' || error.code === 'ERR_SYNOD_DATA_DIRECTORY';
    if (isDamage && !machine.disk.isDamaged)
      this.fail('no-false-alarm', `${machine.id} refuses a good disk: ${error.message}`);
    const { min, max } = machine.versions;
    const isOtherBuild = error.code === 'ERR_SYNOD_VERSION' && (max < this.versionMost || min > 1);
    if (!isDamage && !isOtherBuild && error.code !== 'ERR_SYNOD_STORAGE_FAILED')
      this.fail('opens', `${machine.id}: ${error.message}`);
    if (isDamage) {
      this.tell({ ...this.#seen(machine), kind: 'damage-found', code: error.code });
      this.#replaceAndRestart(machine);
    } else this.events.after(0, () => this.crash(machine, false, this.#patience()));
  }

  #onFenced(machine: Machine, error: SynodError): void {
    this.print(() => `${machine.id} fenced: ${error.message}`);
    const { code } = error;
    const contract = /contract "([^"]*)"/.exec(error.message)?.[1] ?? code;
    if (code === 'ERR_SYNOD_CONTRACT' || code === 'ERR_SYNOD_STATE_MACHINE')
      this.fail(
        'no-contract-broken',
        `${machine.id}: ${error.message}\n${(error.cause as Error)?.stack ?? ''}`,
      );
    if (code === 'ERR_SYNOD_LOG_CORRUPT' && !machine.disk.isDamaged)
      this.fail('no-false-alarm', `${machine.id} fences itself over a good disk: ${error.message}`);
    if (code === 'ERR_SYNOD_VERSION' && machine.versions.max >= this.versionMost)
      this.fail('no-false-refusal', `${machine.id}: ${error.message}`);
    // A frame of another life that is played again may say for a disk what it never said: no network does that, and the
    // replica that stops for it is out of work, not out of order.
    const isMisled = this.script.settings.mode === 'unbounded' && this.network.injections > 0;
    if (code === 'ERR_SYNOD_REFUSED' && !machine.isSetBack && !isMisled)
      this.fail('no-false-refusal', `${machine.id}: ${error.message}`);
    const { life } = machine;
    this.events.after(0, () => {
      if (machine.life !== life || machine.process === null) return;
      if (code === 'ERR_SYNOD_LOG_CORRUPT') this.tell({ ...this.#seen(machine), kind: 'damage-found', code });
      this.#end(machine, 'fenced', code === 'ERR_SYNOD_CONTRACT' ? contract : code, false);
      if (code === 'ERR_SYNOD_LOG_CORRUPT' || code === 'ERR_SYNOD_REFUSED') this.replaceDisk(machine);
      if (!machine.isOff) this.startAt(machine, this.events.now + this.#patience());
    });
  }

  // What is seen.

  #onSend(
    machine: Machine,
    connection: SimulatedConnection,
    header: Uint8Array,
    payload: Uint8Array | null,
    start: number,
    end: number,
  ): void {
    const kind = header[9]!;
    this.trace.add(kind * 256 + machine.index * 16 + connection.to);
    if (kind < FrameKind.statusQuery || kind >= FrameKind.forward) return;
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const frame = {
      kind,
      configuration: view.getUint32(12, true),
      view,
      payload: payload === null ? [] : [{ bytes: payload, start, end }],
      payloadBytes: end - start,
      payloadChecksum: view.getUint32(20, true),
    };
    this.tell({
      kind: 'sent',
      at: this.events.now,
      replica: machine.id,
      disk: machine.disk.name,
      to: this.machines[connection.to]!.id,
      configuration: frame.configuration,
      self: machine.process?.bridge.self ?? 0,
      message: decodeMessage(frame),
    });
  }

  #onExecuted(machine: Machine, slot: number, call: number): void {
    if (machine.executed.has(call)) this.fail('executed-once', `call ${call} twice by ${machine.id}`);
    machine.executed.add(call);
    const { id: replica, disk } = machine;
    this.tell({ kind: 'executed', at: this.events.now, replica, disk: disk.name, slot, call });
  }

  /** What a segment says must be in a checkpoint that no crash can take away before the segment goes. */
  #onRemove(machine: Machine, segment: number): void {
    const { tap, disk, id } = machine;
    const last = tap.lastSlotIn(segment);
    if (last === 0) return;
    this.checkpoints.dropped += 1;
    const held = Math.max(0, ...disk.checkpoints.durableSlots);
    if (last > held)
      throw new Violation(
        'dropped-is-in-a-checkpoint',
        `${id}: segment ${segment} up to ${last}, held ${held}`,
      );
  }

  #onRestored(machine: Machine, slot: number): void {
    machine.appliedSlot = slot;
    machine.digest = machine.process?.stateMachine.digest?.() ?? '';
    this.trace.add(slot);
    const { digest, executed } = machine;
    this.tell({ ...this.#seen(machine), kind: 'restored', slot, digest, executed: executed.size });
  }

  #onApplied(machine: Machine, delivery: Delivery, bytes: Uint8Array | null): void {
    const { slot, kind, offset, bytes: length } = delivery;
    let value = valueText(kind, 0, 0);
    let configuration: Configuration | null = null;
    if (kind === DecreeKind.commands)
      value = valueText(kind, length, crc32c(bytes!, offset, offset + length, 0));
    else if (kind === DecreeKind.configuration) {
      const record = machine.tap.valueAt(slot)!;
      value = record.value;
      configuration = record.configuration!;
      this.changes.onExecuted(configuration);
      if (configuration.number === (this.latest?.configuration.number ?? 0) + 1)
        this.configurations.push({ configuration, after: slot });
    }
    machine.appliedSlot = slot;
    if (slot > this.appliedMost) this.appliedMost = slot;
    machine.digest = machine.process?.stateMachine.digest?.() ?? '';
    this.trace.addText(value);
    const { id: replica, disk, digest } = machine;
    this.tell({
      kind: 'applied',
      at: this.events.now,
      replica,
      disk: disk.name,
      slot,
      value,
      digest,
      configuration,
    });
  }

  get #mayBeDamaged(): boolean {
    return this.network.isCorrupting || this.machines.some(({ disk }) => disk.isDamaged) || this.wipes > 0;
  }

  #onPeerUp(machine: Machine, id: string): void {
    const peer = this.machines.find((one) => one.id === id)!;
    machine.process?.metLife.set(peer.index, peer.life);
  }

  #loggerOf(machine: Machine): Logger {
    const log = (level: string) => (fields: object, event: string) => {
      if (event === 'role') {
        const isPrimary = (fields as { role: string }).role === 'primary';
        if (isPrimary && !machine.isPrimary) machine.becamePrimary += 1;
        machine.isPrimary = isPrimary;
      }
      if (event === 'peer up') this.#onPeerUp(machine, (fields as { peer: string }).peer);
      if (event === 'connection cut off' && !this.network.isCorrupting) {
        const { reason } = fields as { reason: string };
        if (/checksum|version|frame header/.test(reason))
          this.fail('frames-arrive-whole', `${machine.id}: ${reason}`);
      }
      if (event === 'checkpoint is damaged' && !machine.disk.isDamaged)
        this.fail('no-false-alarm', `${machine.id}: ${event} ${JSON.stringify(fields)}`);
      if (event === 'checkpoint of a peer refused' && !this.#mayBeDamaged)
        this.fail('no-false-alarm', `${machine.id}: ${event} ${JSON.stringify(fields)}`);
      this.print(() => `${machine.id} ${level} ${event} ${JSON.stringify(fields)}`);
    };
    return {
      trace: log('trace'),
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      fatal: log('fatal'),
    };
  }
}

function describe(observation: Observation): string {
  const { at, kind, ...rest } = observation;
  const text = JSON.stringify(rest, (key, value) => (key === 'source' ? undefined : value));
  return `${at.toFixed(2)} ${kind} ${text}`;
}
