/**
 * Does to the world what the script says. In `recoverable` mode disks are lost or damaged only as long as the cluster can
 * stand it (`docs/limits.md`, `docs/protocol.md`, "What is assumed"); in `unbounded` mode only what would take the
 * cluster's identity from every disk, or what is promised to nobody, is left out.
 */

import { MEMBERS_MAX } from '../../src/limits.js';
import { memberById, quorumSize } from '../../src/protocol/configuration.js';
import { checkpointName } from '../../src/storage/checkpoint-store.js';
import type { Machine } from './machine.js';
import type { Fault, FaultKind, Target } from './script.js';
import type { World } from './world.js';

/** What ends a process, at once or some time later. */
const ending: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'crash',
  'crash-at-step',
  'crash-all',
  'close',
  'exchange-build',
  'wipe',
  'set-back',
  'fail-disk',
  'flip-durable',
  'bad-write',
]);

export class Trouble {
  readonly #world: World;
  /** Set once peace begins. */
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
  }

  begin(): void {
    const { events, script } = this.#world;
    for (const fault of script.faults)
      events.at(fault.at, () => {
        if (this.#isOver) return;
        const target = 'target' in fault ? this.#resolve(fault.target) : null;
        if (target !== undefined) this.#do(fault, target);
      });
  }

  end(): void {
    this.#isOver = true;
  }

  /** Undefined where nobody fits. */
  #resolve(target: Target): Machine | undefined {
    const { machines } = this.#world;
    return target >= 0 ? machines[target] : machines.find((machine) => machine.isPrimary);
  }

  #do(fault: Fault, target: Machine | null): void {
    const world = this.#world;
    const { events, network } = world;
    const other = 'other' in fault ? this.#other(target!, Math.max(0, fault.other)) : 0;
    const until = 'forMs' in fault ? events.now + fault.forMs : 0;
    if (this.#mustStay && ending.has(fault.kind)) return;
    world.print(() => `fault ${JSON.stringify(fault)} ${target?.id ?? ''}`);
    world.trace.addText(fault.kind);
    switch (fault.kind) {
      case 'crash':
        this.#crash(target!, fault.isPower, fault.downMs);
        break;
      case 'crash-at-step':
        this.#armSteps(target!, fault.steps, fault.downMs);
        break;
      case 'crash-all':
        for (const machine of world.machines) this.#crash(machine, true, fault.downMs * world.random.real());
        break;
      case 'close':
        world.close(target!, fault.downMs);
        break;
      case 'pause':
        target!.process?.pause(until);
        break;
      case 'block-application':
        target!.process?.applicationThread.stand(until);
        break;
      case 'wipe':
        if (this.#canLose(target!)) this.#wipe(target!, fault.downMs);
        break;
      case 'set-back':
        this.#setBack(target!, fault.ageMs, fault.downMs);
        break;
      case 'cut':
        network.block(target!.index, other, until);
        network.block(other, target!.index, until);
        if (world.random.chance(0.5)) network.reset(target!.index, other);
        break;
      case 'cut-one-way':
        network.block(target!.index, other, until);
        break;
      case 'reset':
        network.reset(target!.index, other);
        break;
      case 'slow':
        network.slow(target!.index, other, fault.byMs, until);
        break;
      case 'partition':
        this.#partition(fault, target, until);
        break;
      case 'frame':
        network.setFault(target!.index, other, fault.what, fault.times);
        break;
      case 'change':
        this.#change(fault, target!);
        break;
      case 'bootstrap':
        world.bootstraps.ask(target!, fault.order.slice(0, fault.size));
        break;
      case 'copy':
        world.copies.ask(target!, fault.other < 0 ? null : world.machines[other]!, fault.withinMs);
        break;
      case 'exchange-build':
        target!.versions = { min: fault.min, max: fault.max };
        this.#crash(target!, false, fault.downMs);
        break;
      case 'raise':
        world.raises.ask(target!, fault.version === 0 ? undefined : fault.version);
        break;
      case 'step-clock':
        target!.clock.stepWall(fault.byMs);
        break;
      case 'jump-clock':
        target!.clock.jump(fault.byMs);
        break;
      case 'drift-clock':
        target!.clock.setRate(fault.rate);
        break;
      case 'stall-disk':
        target!.disk.stalledUntil = Math.max(target!.disk.stalledUntil, until);
        break;
      case 'fill-disk':
        target!.disk.fullUntil = Math.max(target!.disk.fullUntil, until);
        break;
      case 'fail-disk':
        target!.disk.failsNext = true;
        break;
      case 'flip-durable':
        this.#flipDurable(target!, fault.downMs);
        break;
      case 'bad-write':
        if (this.#canSpoil(target!)) target!.disk.nextWriteFault = fault.what;
        break;
      case 'promote':
        target!.process?.lead({ kind: 'promote', request: 1, evenIfBehind: fault.evenIfBehind });
        break;
      case 'relinquish': {
        const to = fault.other < 0 ? null : world.machines[other]!.id;
        target!.process?.lead({ kind: 'relinquish', request: 1, to });
        break;
      }
      case 'priority':
        target!.process?.lead({ kind: 'priority', priority: fault.priority });
        break;
      case 'withhold-votes': {
        const { process } = target!;
        process?.lead({ kind: 'votes', votes: false });
        events.at(until, () => process?.lead({ kind: 'votes', votes: true }));
        break;
      }
      default:
        fault satisfies never;
    }
  }

  /** The machine named, or the one behind it where that is the target itself. */
  #other(target: Machine, other: number): number {
    return other === target.index ? (other + 1) % this.#world.machines.length : other;
  }

  /** While a disk that was set back is not found out, those who can find it out stay. */
  get #mustStay(): boolean {
    return this.#world.machines.some((machine) => machine.isSetBack);
  }

  #crash(machine: Machine, isPower: boolean, downMs: number): void {
    if (!machine.isRunning) return;
    this.#world.crash(machine, isPower, downMs);
  }

  #armSteps(machine: Machine, steps: number, downMs: number): void {
    machine.stepsDownMs = downMs;
    if (machine.process !== null) machine.process.stepsLeft = steps;
    else machine.stepsArmed = steps;
  }

  #wipe(machine: Machine, downMs: number): void {
    const world = this.#world;
    if (machine.isRunning) world.crash(machine, true, downMs);
    world.replaceDisk(machine);
    if (!machine.isOff) world.startAt(machine, world.events.now + downMs);
  }

  /** Only where every other replica runs, and met this disk after the state that comes back (docs/limits.md). */
  #setBack(machine: Machine, ageMs: number, downMs: number): void {
    const world = this.#world;
    const { now } = world.events;
    if (!this.#canLose(machine) || machine.disk.isSuspect || !machine.isOpen) return;
    // From before its first record on it would be another disk, with a name of its own.
    const older = machine.backups.filter(({ at, records }) => at <= now - ageMs && records > 0);
    const backup = older.at(-1);
    const isNewest = backup === machine.backups.at(-1);
    if (backup === undefined || isNewest) return;
    const others = world.machines.filter((other) => other !== machine);
    const staysAndKnows = ({ process, isOpen, isClosing, disk }: Machine): boolean =>
      isOpen &&
      !isClosing &&
      !disk.isSuspect &&
      !disk.failsNext &&
      process!.stepsLeft === Number.POSITIVE_INFINITY &&
      process!.metLife.get(machine.index) === machine.life;
    if (!others.every(staysAndKnows)) return;
    world.crash(machine, true, downMs);
    machine.disk.restore(backup.content);
    machine.tap.setBack(backup.records);
    machine.isSetBack = true;
    world.tell({
      kind: 'set-back',
      at: now,
      replica: machine.id,
      disk: machine.disk.name,
      records: machine.tap.durableTold,
    });
  }

  #flipDurable(machine: Machine, downMs: number): void {
    const world = this.#world;
    if (!this.#canSpoil(machine)) return;
    const { random } = world;
    if (random.chance(0.4) && this.#flipCheckpoint(machine)) {
      if (random.chance(0.7) && machine.isRunning) world.crash(machine, false, downMs);
      return;
    }
    const place = machine.tap.pickClaimed((count) => random.below(count));
    if (place === null) return;
    const [segment, offset] = place;
    const bytes = machine.disk.segments.get(segment);
    if (bytes === undefined || offset >= bytes.length) return;
    bytes[offset]! ^= 1 << random.below(8);
    machine.disk.isDamaged = true;
    if (random.chance(0.7) && machine.isRunning) world.crash(machine, false, downMs);
  }

  /** False where there is none. */
  #flipCheckpoint(machine: Machine): boolean {
    const { random } = this.#world;
    const { checkpoints } = machine.disk;
    const slots = checkpoints.durableSlots;
    if (slots.length === 0) return false;
    const { bytes } = checkpoints.files.get(checkpointName(random.pick(slots))) ?? {
      bytes: new Uint8Array(0),
    };
    if (bytes.length === 0) return false;
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    machine.disk.isDamaged = true;
    return true;
  }

  #partition(fault: Extract<Fault, { kind: 'partition' }>, around: Machine | null, until: number): void {
    const { network, machines, random } = this.#world;
    const { shape } = fault;
    let order = [
      ...fault.order,
      ...machines.map(({ index }) => index).filter((index) => !fault.order.includes(index)),
    ];
    // Who stands in the middle, or alone.
    if (around !== null) order = [around.index, ...order.filter((index) => index !== around.index)];
    const size = machines.length;
    const at = 1 + random.below(size - 1);
    const quorum = Math.floor(size / 2) + 1;
    for (let i = 0; i < size; i += 1) {
      for (let j = 0; j < size; j += 1) {
        if (i === j) continue;
        const [low, high] = i < j ? [i, j] : [j, i];
        const isLinked = {
          split: i < at === j < at,
          isolate: low !== 0,
          star: low === 0,
          chain: high === low + 1,
          ring: high === low + 1 || (low === 0 && high === size - 1),
          // The one in front reaches everybody but a quorum; the others all reach one of them.
          'quorum-loss': low === 0 ? high < quorum - 1 : low === 1,
          'one-way': !(i < at && j >= at),
          random: ((low * 7 + high * 13 + Math.floor(fault.at)) & 1) === 0,
        }[shape];
        if (!isLinked) network.block(order[i]!, order[j]!, until);
      }
    }
  }

  #change({ how, order, size, force }: Extract<Fault, { kind: 'change' }>, target: Machine): void {
    const world = this.#world;
    const { machines, latest, script } = world;
    if (latest === null) return;
    const isIn = ({ id }: Machine): boolean => memberById(latest.configuration, id) !== undefined;
    const ordered = order.map((index) => machines[index]!);
    const inside = ordered.filter(isIn);
    const outside = ordered.filter((machine) => !isIn(machine));
    const wanted = {
      add: [...inside, ...outside.slice(0, 1)],
      remove: inside.slice(1),
      replace: [...inside.slice(1), ...outside.slice(0, 1)],
      any: ordered.slice(0, size),
    }[how].slice(0, MEMBERS_MAX);
    if (wanted.length === 0) return;
    if (
      script.settings.mode === 'recoverable' &&
      !wanted.every((machine) => this.#canBecome(machine, target))
    )
      return;
    world.changes.ask(
      target,
      wanted.map(({ id }) => id),
      force,
    );
  }

  /** Its disk is not lost already, without the one that lets it in having noticed yet. */
  #canBecome(machine: Machine, primary: Machine): boolean {
    const { disk, tap, life } = machine;
    if (machine.isSetBack || disk.isSuspect || disk.nextWriteFault !== null || this.#mustStay) return false;
    // Where the log was dropped a checkpoint says what the cluster is.
    const knows = tap.hasGenesisDurable || disk.checkpoints.durableSlots.length > 0;
    if (!knows || this.#world.changes.isUnsettled) return false;
    return machine === primary || primary.process?.metLife.get(machine.index) === life;
  }

  /**
   * Bytes may be spoilt where the disk may be lost. It is found out only later: before there is a member set nobody can say whether more
   * members than a minority will have lost theirs by then.
   */
  #canSpoil(machine: Machine): boolean {
    const { latest, script } = this.#world;
    return (latest !== null || script.settings.mode === 'unbounded') && this.#canLose(machine);
  }

  /** A disk may be lost if the cluster can stand it. */
  #canLose(machine: Machine): boolean {
    const world = this.#world;
    const { latest } = world;
    if (machine.isSetBack) return false;
    // Whose disks will be needed is not known.
    if (world.script.settings.mode === 'recoverable' && world.changes.isUnsettled) return false;
    const others = world.machines.filter((other) => other !== machine);
    if (latest === null) {
      // The first configuration may be under way: whoever alone has it may not lose it.
      return (
        machine.tap.genesis === null ||
        others.some((other) => other.tap.hasGenesisDurable && !other.disk.isSuspect)
      );
    }
    const first = world.configurations[0]!.configuration;
    const { members } = latest.configuration;
    // What the cluster is must stay known, and to a member: who is none has no voice when the others begin anew.
    const isSound = (other: Machine): boolean =>
      other.tap.hasGenesisDurable && other.holds(first) && !other.disk.isSuspect && !other.isSetBack;
    const knows = (other: Machine): boolean =>
      isSound(other) && members.some(({ incarnation }) => incarnation === other.incarnation);
    if (!others.some(knows)) return false;
    // Of those that the options name, one must know: if all are new they take each other for a cluster that begins (docs/limits.md).
    const isNamed = ({ index }: Machine): boolean => index < world.script.settings.replicas;
    if (isNamed(machine) && !others.some((other) => isNamed(other) && isSound(other))) return false;
    if (world.script.settings.mode === 'unbounded') return true;
    const lost = members.filter(({ incarnation }) => !this.isSettled(incarnation)).length;
    const isMember = members.some(({ incarnation }) => incarnation === machine.incarnation);
    const more = isMember && this.isSettled(machine.incarnation) ? 1 : 0;
    return lost + more <= members.length - quorumSize(latest.configuration);
  }

  /** The disk is there, is good, and has it durably that the newest configuration is in force. */
  isSettled(incarnation: string): boolean {
    const { machines, latest } = this.#world;
    const machine = machines.find((one) => one.incarnation === incarnation);
    if (machine === undefined || machine.disk.isSuspect || machine.isSetBack) return false;
    // A checkpoint says so too.
    const slots = machine.disk.checkpoints.durableSlots;
    const hasFirst = machine.tap.hasGenesisDurable || slots.length > 0;
    return hasFirst && Math.max(machine.tap.chosenDurable, ...slots) >= latest!.after;
  }
}
