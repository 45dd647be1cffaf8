/**
 * The replicas, the links between them and true time. The world delivers frames, hardens writes and brings copies of checkpoints, all at
 * random; what goes wrong beside that is drawn in `trouble.ts` and `plots.ts`.
 */

import type { Configuration } from '../../src/protocol/configuration.js';
import { genesisConfiguration } from '../../src/protocol/configuration.js';
import type { ProtocolOptions } from '../../src/protocol/context.js';
import { Random } from '../properties/random.js';
import type { Checkpoint } from './disk.js';
import { Judge } from './judge.js';
import { Line } from './line.js';
import { identityOf, Node, type Surroundings } from './node.js';
import { Votes } from './votes.js';

/** What was done to a world, or in it. */
export interface Counts {
  /** A replica was started again after a crash. */
  restarts: number;
  /** Disks that were lost. */
  wipes: number;
  /** Of their own. */
  checkpoints: number;
  /** Copies of others' that were installed. */
  installs: number;
  /** Of these, on a replica that led, by its own belief. */
  installsAtPrimaries: number;
  // How often each plot was begun: each is told of in the file of its name.
  rivals: number;
  newcomers: number;
  unrecorded: number;
  returns: number;
  successions: number;
  answers: number;
  borrowed: number;
  expiry: number;
}

interface Plan {
  readonly at: number;
  readonly run: () => void;
}

interface Watch {
  readonly until: number;
  readonly isDue: () => boolean;
  readonly run: () => void;
}

interface Copy {
  readonly to: Node;
  readonly epoch: number;
  readonly checkpoint: Checkpoint;
}

const ELECTION_TIMEOUT_MS = 300;
const CLOCK_DRIFT_MAX = 0.05;
const TICK_MS = 8;
const FRAMES_IN_A_TICK = 40;

export class World implements Surroundings {
  readonly random: Random;
  readonly judge: Judge;
  readonly options: ProtocolOptions;
  /** A little less than the options say: a clock at the bound itself is a matter of rounding. */
  readonly clockDriftMax = CLOCK_DRIFT_MAX * 0.99;
  readonly nodes: readonly Node[];
  /** Both directions of each link. */
  readonly lines: readonly Line[];
  /** A disk may be lost, one in the whole run: two may have been a quorum. */
  readonly mayWipe: boolean;
  readonly counts: Counts = {
    restarts: 0,
    wipes: 0,
    checkpoints: 0,
    installs: 0,
    installsAtPrimaries: 0,
    rivals: 0,
    newcomers: 0,
    unrecorded: 0,
    returns: 0,
    successions: 0,
    answers: 0,
    borrowed: 0,
    expiry: 0,
  };
  /** True time, in milliseconds. */
  now = 0;
  readonly #genesis: Configuration;
  #plans: Plan[] = [];
  #watches: Watch[] = [];
  #requests = 0;
  #values = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    const { random } = this;
    const withLeases = random.chance(0.3);
    this.mayWipe = random.chance(0.4);
    this.options = {
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      heartbeatMs: 50,
      pipelineDecreesMax: 4,
      pipelineBytesMax: 1000,
      fetchBytesMax: 5000,
      noticeMs: random.chance(0.3) ? 5 : 0,
      asksToLead: random.chance(0.1),
      lease: withLeases ? { durationMs: ELECTION_TIMEOUT_MS, clockDriftMax: CLOCK_DRIFT_MAX } : null,
    };
    const members = 3 + random.below(3);
    const spares = 1 + random.below(2);
    const identities = Array.from({ length: members }, (_, index) => identityOf(index, 1));
    this.#genesis = genesisConfiguration(identities);
    this.judge = new Judge(new Votes(this.#genesis));
    this.nodes = Array.from({ length: members + spares }, (_, index) => new Node(index, this));
    this.lines = this.nodes.flatMap((node) =>
      this.nodes
        .filter((other) => other.index > node.index)
        .map((other) => new Line(node, other))
        .flatMap((line) => [line, line.back]),
    );
    for (const { disk } of this.nodes) disk.append({ kind: 'genesis', configuration: this.#genesis }, 0);
    for (const node of this.nodes) node.start();
  }

  get primaries(): readonly Node[] {
    return this.nodes.filter((node) => node.isPrimary);
  }
  /** Those of the configuration in force, by what the disks have decided, that are up. */
  get members(): readonly Node[] {
    const { members } = this.judge.votes!.configuration;
    const disks = new Set(members.map(({ incarnation }) => incarnation));
    return this.running.filter(({ disk }) => disks.has(disk.incarnation));
  }
  get running(): readonly Node[] {
    return this.nodes.filter(({ replica }) => replica !== null);
  }

  /** Some time passes, and whatever comes with it. */
  tick(): void {
    const { random } = this;
    this.now += random.between(0, TICK_MS);
    for (const node of this.nodes) node.step({ kind: 'tick' });
    for (let count = 0; count < FRAMES_IN_A_TICK; count += 1) {
      const lines = this.lines.filter((line) => line.delivers);
      if (lines.length === 0) break;
      const line = random.pick(lines);
      line.to.receive(line.back);
      for (const node of this.nodes) if (random.chance(0.3)) node.harden();
      if (this.#watches.length > 0) this.#watch();
    }
    for (const node of this.nodes) if (random.chance(0.6)) node.harden();
    for (const node of this.nodes) if (random.chance(0.5)) node.turn();
    this.#carryOutPlans();
  }

  // What may be done to it.

  /** Runs `run` so many milliseconds from now, with the tick. */
  plan(afterMs: number, run: () => void): void {
    this.#plans.push({ at: this.now + afterMs, run });
  }

  /** Runs `run` once, as soon as it `isDue`; not at all where that takes longer. */
  when(withinMs: number, isDue: () => boolean, run: () => void): void {
    this.#watches.push({ until: this.now + withinMs, isDue, run });
  }

  /** Its links break, and do not stand again before it is let in by `rejoin`. */
  cutOff(node: Node): void {
    this.#cut(({ from, to }) => from === node || to === node, true);
  }

  rejoin(node: Node): void {
    this.#cut(({ from, to }) => from === node || to === node, false);
  }

  setCut(a: Node, b: Node, isCut: boolean): void {
    this.#cut(({ from, to }) => (from === a && to === b) || (from === b && to === a), isCut);
  }

  relink(): void {
    for (const line of this.lines) {
      const { from, to, back } = line;
      const canStand = from.replica !== null && to.replica !== null && !line.isCut;
      if (canStand === line.isUp) continue;
      for (const direction of [line, back]) {
        direction.isUp = canStand;
        direction.frames = [];
      }
      for (const direction of [line, back]) {
        if (canStand) direction.from.onLineUp(direction);
        else direction.from.onLineDown(direction);
      }
      for (const direction of [line, back]) if (canStand) this.#tellGenesis(direction);
    }
  }

  /** Lines between those for whom `isInside` is true and the others deliver nothing; the rest go on as they are. */
  stallBetween(isInside: (node: Node) => boolean): void {
    for (const line of this.lines) if (isInside(line.from) !== isInside(line.to)) line.isStalled = true;
  }

  endStalls(): void {
    for (const line of this.lines) line.isStalled = false;
  }

  /** Has a primary propose one to three decrees, as far as it takes them. */
  propose(node: Node): void {
    for (let left = 1 + this.random.below(3); left > 0; left -= 1) {
      node.turn();
      if (!node.isAwake || !node.replica!.canPropose) return;
      this.#values += 1;
      node.propose(this.#values);
    }
  }

  promote(node: Node): void {
    node.step({ kind: 'promote', request: this.#nextRequest(), evenIfBehind: true });
  }

  relinquish(node: Node): void {
    node.step({ kind: 'relinquish', request: this.#nextRequest(), to: 0 });
  }

  change(primary: Node, members: readonly Node[], force: boolean): void {
    primary.step({
      kind: 'change',
      change: {
        request: this.#nextRequest(),
        members: members.map(({ id }) => ({ id, address: 'host:1' })),
        cookie: '',
        force,
        ifNumber: 0,
      },
    });
  }

  offer(line: Line, checkpoint: Checkpoint): void {
    const { random } = this;
    line.to.expectCopy(line.back);
    // Most are copied at once. Some are great, or whoever sends them is slow: much may have been decided meanwhile.
    this.copy(checkpoint, line.to, random.between(0, random.chance(0.3) ? 1500 : 60));
  }

  /** A copy of the checkpoint comes to the replica's process that runs now, unless that ends before. */
  copy(checkpoint: Checkpoint, to: Node, afterMs: number): void {
    const copy: Copy = { to, epoch: to.epoch, checkpoint };
    this.plan(afterMs, () => this.#install(copy));
  }

  askToLead(node: Node, request: number): void {
    const { random } = this;
    const { epoch } = node;
    this.plan(random.between(0, 120), () => {
      if (node.epoch === epoch) node.step({ kind: 'may-lead', request, may: random.chance(0.8) });
    });
  }

  onOwnCheckpoint(): void {
    this.counts.checkpoints += 1;
  }

  restart(node: Node): void {
    if (node.replica !== null) node.crash();
    node.start();
    this.counts.restarts += 1;
  }

  wipe(node: Node): void {
    node.wipe();
    this.counts.wipes += 1;
  }

  #install({ to, epoch, checkpoint }: Copy): void {
    if (to.epoch !== epoch || !to.keepCopy(checkpoint)) return;
    this.counts.installs += 1;
    if (to.isPrimary) this.counts.installsAtPrimaries += 1;
    // The checkpoint is durable before any record tells of it.
    if (this.random.chance(0.05)) {
      to.crash();
      return;
    }
    to.installCopy(checkpoint);
    // Nor need anything be durable behind it when the process ends.
    if (this.random.chance(0.1)) this.restart(to);
  }

  /** Who begins with an empty disk hears from anybody which the first configuration was. */
  #tellGenesis(line: Line): void {
    if (!line.from.isConfigured || line.to.isConfigured) return;
    line.send({ configuration: 0, message: { kind: 'genesis', configuration: this.#genesis } });
  }

  #cut(isMeant: (line: Line) => boolean, isCut: boolean): void {
    for (const line of this.lines) if (isMeant(line)) line.isCut = isCut;
    this.relink();
  }

  #watch(): void {
    for (const watch of this.#watches) {
      const isOver = watch.until <= this.now;
      if (!isOver && !watch.isDue()) continue;
      this.#watches = this.#watches.filter((one) => one !== watch);
      if (!isOver) watch.run();
    }
  }

  #carryOutPlans(): void {
    this.#watch();
    const due = this.#plans.filter(({ at }) => at <= this.now);
    if (due.length === 0) return;
    this.#plans = this.#plans.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
  }

  #nextRequest(): number {
    this.#requests += 1;
    return this.#requests;
  }
}
