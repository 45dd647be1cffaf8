/**
 * A cluster in a world that wishes it ill: links that break and stall, processes that die and stand still, disks that are
 * slow or lost. First mischief, drawn from the seed; then peace, in which the cluster must get on with its work.
 */

import { genesisConfiguration, memberByNumber, quorumSize } from '../../src/protocol/configuration.js';
import type { ProtocolOptions } from '../../src/protocol/context.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { Checker, check } from './checker.js';
import { Disk } from './disk.js';
import { Network } from './network.js';
import type { Faults, Surroundings } from './node.js';
import { Node } from './node.js';
import { Random } from './random.js';

export const options: ProtocolOptions = {
  electionTimeoutMs: 100,
  heartbeatMs: 20,
  pipelineDecreesMax: 16,
  pipelineBytesMax: 4000,
  fetchBytesMax: 6000,
};

/** Peace must bring a first chosen decree within so many election timeouts. */
export const PROGRESS_TIMEOUTS_MAX = 6;
/** And all who are there must be members, with everything that was chosen, within so many: some begin with an empty disk. */
export const RECOVERY_TIMEOUTS_MAX = 40;

export interface RunOptions {
  readonly faults?: Faults;
  /** See `CheckerOptions`. */
  readonly agreementOnly?: boolean;
  readonly trace?: (line: () => string) => void;
}

export interface RunResult {
  readonly slots: number;
  readonly crashes: number;
  readonly wipes: number;
  readonly primaries: number;
  readonly configurations: number;
  readonly turns: number;
  /** Election timeouts from peace to the first decree that is chosen in it. */
  readonly progressIn: number;
  /** Election timeouts from peace until everyone is a member and has all that was chosen. */
  readonly recoveredIn: number;
}

const STEP_MS = 5;

/** How often each kind of mischief happens, per step. */
interface Mischief {
  readonly cut: number;
  readonly partition: number;
  readonly stall: number;
  readonly crash: number;
  readonly crashAll: number;
  readonly wipe: number;
  readonly pause: number;
  readonly stickDisk: number;
  readonly congest: number;
  readonly disable: number;
  /** A primary with open decrees is cut off from most, killed or stopped, so that they are known to some only. */
  readonly regicide: number;
  readonly proposals: number;
}

export class World {
  readonly #random: Random;
  readonly #around: Surroundings;
  readonly #nodes: Node[];
  readonly #mischief: Mischief;
  readonly #faults: Faults;
  /** How likely a primary proposes one more decree in a turn. */
  #load: number;
  /** Disks that were taken out. */
  readonly #removed: Map<Node, readonly Disk[]> = new Map();
  #values = 0;
  #incarnations = 0;
  #crashes = 0;
  #wipes = 0;
  #turns = 0;

  constructor(seed: number, run: RunOptions) {
    const random = new Random(seed);
    this.#random = random;
    this.#faults = run.faults ?? {};
    const size = random.pick([3, 3, 3, 3, 5, 5, 5, 4, 2, 1]);
    const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, size);
    const harshness = random.pick([0.15, 0.5, 1]);
    const often = (most: number): number => (random.chance(0.25) ? 0 : most * harshness * random.real() ** 2);
    this.#mischief = {
      cut: often(0.3),
      partition: often(0.06),
      stall: often(0.15),
      crash: often(0.1),
      crashAll: often(0.02),
      wipe: often(0.06),
      pause: often(0.05),
      stickDisk: often(0.06),
      congest: often(0.15),
      disable: often(0.03),
      regicide: often(0.4),
      proposals: random.pick([0.05, 0.3, 0.7]),
    };
    this.#load = this.#mischief.proposals;
    this.#around = {
      options,
      ids,
      network: new Network(size, random.fork()),
      checker: new Checker({ agreementOnly: run.agreementOnly ?? false }),
      random: random.fork(),
      faults: this.#faults,
      trace: run.trace ?? null,
      isGenesisHeld: (configuration) => this.#nodes.some(({ disk }) => disk.holdsGenesis(configuration)),
      now: 1000,
    };
    this.#around.network.latencyMax = random.pick([1, 4, 15, 40]);
    this.#nodes = ids.map((_, index) => new Node(index, this.#newDisk(), this.#around));
    if (random.chance(0.8)) {
      const members = this.#nodes.map(({ id, disk }) => ({ id, incarnation: disk.incarnation }));
      const configuration = genesisConfiguration(members);
      for (const { disk } of this.#nodes) {
        disk.append({ record: { kind: 'genesis', configuration }, chosen: 0 });
        disk.harden(1);
      }
      this.#around.checker.onGenesis(configuration, () => true);
    }
    for (const node of this.#nodes) {
      node.diskMs = this.#random.pick<[number, number]>([
        [0, 0],
        [0, 5],
        [0, 30],
        [10, 60],
      ]);
      node.start();
    }
  }

  run(): RunResult {
    const steps = this.#random.pick([150, 400, 800]);
    for (let step = 0; step < steps; step += 1) {
      this.#doMischief();
      this.#step();
    }
    const recovery = this.#recover();
    const { checker } = this.#around;
    return {
      slots: checker.chosen.length,
      crashes: this.#crashes,
      wipes: this.#wipes,
      primaries: this.#nodes.reduce((sum, node) => sum + node.becamePrimary, 0),
      configurations: checker.configurations.length,
      turns: this.#turns,
      ...recovery,
    };
  }

  #newDisk(): Disk {
    this.#incarnations += 1;
    return new Disk(this.#incarnations.toString(16).padStart(32, '0'));
  }

  #isPaused(node: Node): boolean {
    return node.pausedUntil > this.#around.now;
  }

  #step(): void {
    const around = this.#around;
    around.now += this.#random.between(1, 2 * STEP_MS - 1);
    around.network.connect(around.now, (index) => {
      const node = this.#nodes[index]!;
      if (!node.isRunning || this.#isPaused(node)) return null;
      return { incarnation: node.disk.incarnation, hasGenesis: node.hasGenesis };
    });
    for (const node of this.#random.shuffled(this.#nodes)) {
      if (!node.isRunning && around.now >= node.startsAt) node.start();
      if (!node.isRunning || this.#isPaused(node)) continue;
      node.turn();
      this.#turns += 1;
      while (node.core!.canPropose && this.#random.chance(this.#load)) this.#propose(node);
      if (this.#random.chance(0.01)) node.mark();
    }
  }

  #propose(node: Node): void {
    this.#values += 1;
    const decree: DecreeReference = {
      kind: DecreeKind.commands,
      bytes: this.#random.pick([10, 100, 900]),
      checksum: this.#values,
      commands: 1,
      configuration: null,
      source: { place: 'heap' },
    };
    node.propose(decree);
  }

  // Mischief.

  #doMischief(): void {
    const random = this.#random;
    const { network, now } = this.#around;
    const mischief = this.#mischief;
    const nodes = this.#nodes;
    const node = random.pick(nodes);
    const other = random.pick(nodes);
    const isPair = node !== other;
    if (isPair && random.chance(mischief.cut))
      network.block(node.index, other.index, now, now + random.between(0, random.pick([1, 50, 400])));
    if (nodes.length > 2 && random.chance(mischief.partition)) this.#partition(now + random.between(50, 600));
    if (isPair && random.chance(mischief.stall)) {
      const link = network.link(node.index, other.index);
      if (link !== null) link.at(node.index).stalledUntil = now + random.between(10, 300);
    }
    if (random.chance(mischief.crash)) this.#crash(node);
    if (random.chance(mischief.crashAll)) for (const each of nodes) this.#crash(each);
    if (random.chance(mischief.wipe)) this.#wipe(node);
    if (random.chance(mischief.regicide)) this.#regicide();
    if (random.chance(mischief.pause)) node.pausedUntil = now + random.between(10, 400);
    if (random.chance(mischief.stickDisk)) node.diskStuckUntil = now + random.between(20, 400);
    const { core } = node;
    if (core === null || this.#isPaused(node)) return;
    if (isPair && random.chance(mischief.congest)) {
      const peer = core.configuration?.members.find(({ id }) => id === other.id);
      if (peer !== undefined)
        core.step({ kind: 'congestion', peer: peer.number, congested: random.chance(0.6) }, now);
    }
    if (random.chance(mischief.disable)) core.step({ kind: 'able', able: random.chance(0.5) }, now);
    if (random.chance(mischief.disable * 2)) core.step({ kind: 'able', able: true }, now);
  }

  #partition(until: number): void {
    const random = this.#random;
    const { network, now } = this.#around;
    const size = this.#nodes.length;
    const order = random.shuffled(this.#nodes.map((node) => node.index));
    const at = random.below(size);
    const kind = random.pick(['split', 'star', 'chain', 'ring', 'random'] as const);
    for (let i = 0; i < size; i += 1) {
      for (let j = i + 1; j < size; j += 1) {
        const linked =
          kind === 'split'
            ? i < at === j < at
            : kind === 'star'
              ? i === 0
              : kind === 'chain'
                ? j === i + 1
                : kind === 'ring'
                  ? j === i + 1 || (i === 0 && j === size - 1)
                  : random.chance(0.5);
        if (!linked) network.block(order[i]!, order[j]!, now, until);
      }
    }
  }

  #regicide(): void {
    const random = this.#random;
    const { network, now } = this.#around;
    const primary = this.#nodes.find(({ core }) => core?.role === 'primary' && core.openDecrees > 0);
    if (primary === undefined) return;
    const spared = random.pick(this.#nodes);
    const until = now + random.between(100, 500);
    for (const other of this.#nodes)
      if (other !== primary && other !== spared) network.block(primary.index, other.index, now, until);
    const fate = random.real();
    if (fate < 0.3) this.#crash(primary);
    else if (fate < 0.5) primary.pausedUntil = until;
    else if (fate < 0.7) this.#crash(spared);
  }

  #crash(node: Node): void {
    const { now } = this.#around;
    if (!node.isRunning) return;
    this.#crashes += 1;
    node.crash();
    node.pausedUntil = 0;
    node.startsAt = now + this.#random.between(0, this.#random.pick([1, 100, 500]));
  }

  /**
   * A disk is lost, if the cluster can stand that: the members whose disk is lost, or which do not know the newest
   * configuration yet, must stay fewer than a quorum could do without.
   */
  #wipe(node: Node): void {
    if (!this.#canLose(node)) return;
    if (node.isRunning) this.#crash(node);
    this.#wipes += 1;
    const { disk } = node;
    const removed = this.#removed.get(node) ?? [];
    this.#removed.set(node, [...removed, disk]);
    // Sometimes it is a disk that was here before: not an empty one, but the others have gone on without it.
    const older = removed.filter((one) => this.#isOutdated(one));
    if (older.length > 0 && this.#isSettled(disk.incarnation) && this.#random.chance(0.5))
      node.disk = this.#random.pick(older);
    else node.disk = this.#faults.keepIncarnation ? new Disk(disk.incarnation) : this.#newDisk();
  }

  #canLose(node: Node): boolean {
    const { latest } = this.#around.checker;
    if (latest === null) return true;
    // Nobody else knows of the first configuration: it may be lost with its author.
    if (
      !this.#nodes.some((other) => other !== node && other.disk.holdsGenesis(latest)) &&
      latest.number === 1
    )
      return this.#around.checker.chosen.length === 0;
    const lost = latest.members.filter((member) => !this.#isSettled(member.incarnation)).length;
    const isMember = latest.members.some((member) => member.incarnation === node.disk.incarnation);
    const more = isMember && this.#isSettled(node.disk.incarnation) ? 1 : 0;
    return lost + more <= latest.members.length - quorumSize(latest);
  }

  /** A disk of this cluster that is no member any more. */
  #isOutdated(disk: Disk): boolean {
    const { configurations, latest } = this.#around.checker;
    return (
      configurations.length > 0 &&
      disk.holdsGenesis(configurations[0]!.configuration) &&
      !latest!.members.some(({ incarnation }) => incarnation === disk.incarnation)
    );
  }

  /** The disk is there, and has it durably that the newest configuration is in force. */
  #isSettled(incarnation: string): boolean {
    const node = this.#nodes.find(({ disk }) => disk.incarnation === incarnation);
    if (node === undefined) return false;
    const { after } = this.#around.checker.configurations.at(-1)!;
    return node.disk.chosenDurable >= after && node.disk.hasGenesisDurable;
  }

  // Peace.

  #recover(): Pick<RunResult, 'progressIn' | 'recoveredIn'> {
    const random = this.#random;
    const { checker, network } = this.#around;
    const peaceful = this.#choosePeaceful();
    const began = this.#around.now;
    network.unblockAll();
    network.latencyMax = 2;
    for (const node of this.#nodes) {
      node.pausedUntil = 0;
      node.diskStuckUntil = 0;
      node.diskMs = [0, 2];
      if (peaceful.includes(node)) node.startsAt = Math.min(node.startsAt, began);
      else {
        if (node.isRunning) node.crash();
        node.startsAt = Number.POSITIVE_INFINITY;
      }
      if (!node.isRunning) continue;
      node.core!.step({ kind: 'able', able: true }, began);
      for (const { number } of node.core!.configuration?.members ?? [])
        node.core!.step({ kind: 'congestion', peer: number, congested: false }, began);
    }
    if (peaceful.length > 2 && peaceful.length === this.#nodes.length && random.chance(0.25))
      this.#keepOnlyStar(peaceful);
    this.#around.trace?.(() => `${began.toFixed(0)} peace among ${peaceful.map(({ id }) => id).join(' ')}`);

    const deadline = began + RECOVERY_TIMEOUTS_MAX * options.electionTimeoutMs;
    const chosenBefore = checker.chosen.length;
    const target = chosenBefore + 1;
    let progressAt = 0;
    let done = 0;
    while (done === 0) {
      this.#step();
      if (progressAt === 0 && checker.chosen.length > chosenBefore) progressAt = this.#around.now;
      const primary = peaceful.find((node) => node.core?.role === 'primary');
      // A primary may yet be overtaken with what it proposed: the next one gets something to propose as well.
      if (progressAt === 0 && primary?.core?.canPropose && primary.core.openDecrees === 0) {
        this.#propose(primary);
      }
      const areDone = peaceful.every(
        (node) => node.isRunning && node.applied >= target && node.core!.self !== 0,
      );
      if (areDone && this.#areMembers(peaceful)) done = this.#around.now;
      check(this.#around.now < deadline, 'recovery-in-peace', () => this.#describe(peaceful, target));
      const isLate =
        progressAt === 0 && this.#around.now > began + PROGRESS_TIMEOUTS_MAX * options.electionTimeoutMs;
      check(!isLate, 'progress-in-peace', () => this.#describe(peaceful, target));
    }
    this.#checkCalm(peaceful);
    const { electionTimeoutMs } = options;
    return {
      progressIn: (progressAt - began) / electionTimeoutMs,
      recoveredIn: (done - began) / electionTimeoutMs,
    };
  }

  /** All of them, or any quorum where nobody waits to be let in. */
  #choosePeaceful(): Node[] {
    const random = this.#random;
    const { latest } = this.#around.checker;
    const all = this.#nodes;
    if (latest === null || random.chance(0.5)) return all;
    if (latest.members.some((member) => !this.#isSettled(member.incarnation))) return all;
    return random.shuffled(all).slice(0, quorumSize(latest));
  }

  /** One replica that is linked with all, no links between the others. */
  #keepOnlyStar(nodes: readonly Node[]): void {
    const { latest } = this.#around.checker;
    if (latest === null || latest.members.some((member) => !this.#isSettled(member.incarnation))) return;
    const { network, now } = this.#around;
    const hub = this.#random.pick(nodes);
    for (const a of nodes)
      for (const b of nodes)
        if (a.index < b.index && a !== hub && b !== hub)
          network.block(a.index, b.index, now, Number.POSITIVE_INFINITY);
  }

  #areMembers(nodes: readonly Node[]): boolean {
    return nodes.every(({ core }) => {
      const member = core!.configuration && memberByNumber(core!.configuration, core!.self);
      return member !== null && member !== undefined;
    });
  }

  /** Nobody disturbs a primary that works: for a few election timeouts more, nothing changes. */
  #checkCalm(nodes: readonly Node[]): void {
    const { now } = this.#around;
    // Whoever was behind may have begun an election before it heard.
    while (this.#around.now < now + 3 * options.electionTimeoutMs) this.#step();
    const before = nodes.map((node) => node.becamePrimary).join();
    const { chosen } = this.#around.checker;
    const chosenBefore = chosen.length;
    const from = this.#around.now;
    while (this.#around.now < from + 5 * options.electionTimeoutMs) {
      this.#step();
      const primary = nodes.find((node) => node.core?.role === 'primary');
      if (primary?.core?.canPropose && this.#random.chance(0.1)) this.#propose(primary);
    }
    check(before === nodes.map((node) => node.becamePrimary).join(), 'calm-in-peace', () => before);
    check(chosen.length > chosenBefore, 'progress-goes-on', () => `${chosen.length} slots`);
  }

  #describe(nodes: readonly Node[], target: number): string {
    const states = nodes.map(({ id, core, applied }) => {
      return core === null
        ? `${id}: down`
        : `${id}: ${core.role} ${core.self} of configuration ${core.configuration?.number ?? 0}, applied ${applied}, primary ${core.primary}`;
    });
    return `target ${target}; ${states.join('; ')}`;
  }
}

export function runSeed(seed: number, run: RunOptions = {}): RunResult {
  return new World(seed, run).run();
}
