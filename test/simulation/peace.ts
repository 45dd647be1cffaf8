/**
 * After the trouble: a quorum is healed, the others are dead. The cluster must choose again soon, catch up, agree, have
 * kept everything that it ever acknowledged, and stay calm.
 */

import { priorityBounds } from '../../src/limits.js';
import { memberById, quorumSize } from '../../src/protocol/configuration.js';
import type { Machine } from './machine.js';
import { Violation } from './observation.js';
import type { Trouble } from './trouble.js';
import type { World } from './world.js';

/** From the moment when a quorum is linked. */
export const PROGRESS_TIMEOUTS_MAX = 3;
/** Until then, and until everyone has everything: some dial again after a while, and some begin with an empty disk. */
const LINKED_MS_MAX = 6000;
/** Who is linked with whom is looked at this often: after each event is too costly. */
const LOOK_EVERY_MS = 1;
const RECOVERY_TIMEOUTS_MAX = 60;
const CALM_TIMEOUTS = 3;
/** A replica without space asks again this often, and a little. */
const SPACE_RETRY_MS = 600;

export interface PeaceResult {
  /** Election timeouts from a linked quorum to the first slot that is chosen in peace. */
  readonly progressIn: number;
  readonly recoveredIn: number;
}

/** Of the protocol: in the end all have the newest build. */
const VERSION_IN_PEACE = 3;

export class Peace {
  readonly #world: World;
  readonly #trouble: Trouble;
  #there: Machine[] = [];
  #spaceKnownBy = 0;
  #lookAt = 0;

  constructor(world: World, trouble: Trouble) {
    this.#world = world;
    this.#trouble = trouble;
  }

  run(): PeaceResult {
    const world = this.#world;
    const { events, script } = world;
    const { electionTimeoutMs } = script.settings;
    this.#heal();
    if (script.settings.isBootstrapped) world.bootstraps.persist();
    const before = world.appliedMost;
    const linkedBy = Math.max(events.now, this.#goodBy) + LINKED_MS_MAX + 10 * electionTimeoutMs;
    this.#demand('linked-in-peace', linkedBy, () => this.#isLinked);
    const linkedAt = events.now;
    this.#callUntil(() => world.appliedMost > before);
    this.#demand(
      'progress-in-peace',
      linkedAt + PROGRESS_TIMEOUTS_MAX * electionTimeoutMs,
      () => world.appliedMost > before,
    );
    const progressAt = events.now;
    for (const client of world.clients) client.stop();
    // What was proposed and not chosen stays so until something else is chosen in its slot.
    this.#callUntil(() => !world.changes.isUnsettled);
    const recoveredBy = linkedAt + LINKED_MS_MAX + RECOVERY_TIMEOUTS_MAX * electionTimeoutMs;
    this.#demand('recovery-in-peace', recoveredBy, () => this.#isRecovered);
    const recoveredAt = events.now;
    this.#checkCalm();
    this.#checkAgreement();
    this.#checkDurability();
    return {
      progressIn: (progressAt - linkedAt) / electionTimeoutMs,
      recoveredIn: (recoveredAt - linkedAt) / electionTimeoutMs,
    };
  }

  /** Something to choose, wherever the primary will be. Whoever does not know yet that it is a member refuses it, and is asked again. */
  #callUntil(isDone: () => boolean): void {
    const { events, calls, script } = this.#world;
    if (isDone()) return;
    for (const machine of this.#there) calls.make(0, machine.index, ['INCR', 'n0'], () => {});
    events.after(script.settings.electionTimeoutMs, () => this.#callUntil(isDone));
  }

  #demand(invariant: string, by: number, isDone: () => boolean): void {
    if (isDone() || this.#world.runUntil(by, isDone)) return;
    throw new Violation(invariant, this.#describe());
  }

  #heal(): void {
    const world = this.#world;
    const { machines, network, events, script } = world;
    this.#trouble.end();
    world.isWilling = true;
    this.#there = this.#chooseThere();
    world.print(() => `peace among ${this.#there.map(({ id }) => id).join(' ')}`);
    for (const machine of machines) {
      machine.clock.setRate(1);
      const { disk } = machine;
      if (disk.fullUntil > 0) this.#spaceKnownBy = events.now + SPACE_RETRY_MS;
      disk.fullUntil = 0;
      disk.isHealed = true;
      disk.failsNext = false;
      disk.nextWriteFault = null;
      const { min, max } = machine.versions;
      if (script.settings.versions !== undefined && (min > 1 || max < VERSION_IN_PEACE)) {
        machine.versions = { min: 1, max: VERSION_IN_PEACE };
        if (machine.isRunning) world.crash(machine, false, 0);
      }
      // It would be gone for as long as the trouble had it.
      if (machine.isClosing) world.crash(machine, false, 0);
      if (machine.process !== null) {
        machine.process.stepsLeft = Number.POSITIVE_INFINITY;
        machine.process.wake();
        machine.process.lead({ kind: 'priority', priority: priorityBounds.default });
        machine.process.lead({ kind: 'votes', votes: true });
      }
      machine.stepsArmed = 0;
      if (!this.#there.includes(machine)) {
        machine.isOff = true;
        if (machine.isRunning) world.crash(machine, true, 0);
      } else if (!machine.isRunning) world.startAt(machine, events.now);
    }
    network.heal({ ...script.settings.network, delayMs: [0.05, 2], tail: 0 });
  }

  /** A quorum that has everything, or all where somebody still has to be let in. */
  #chooseThere(): Machine[] {
    const { machines, latest, random } = this.#world;
    if (latest === null || random.chance(0.4)) return machines;
    const { members } = latest.configuration;
    if (members.some(({ incarnation }) => !this.#trouble.isSettled(incarnation))) return machines;
    if (this.#world.changes.isUnsettled) return machines;
    const count = quorumSize(latest.configuration) + random.below(2);
    return random.shuffled(machines.filter((machine) => this.#isMember(machine))).slice(0, count);
  }

  #isMember({ id, index }: Machine): boolean {
    const { latest, script } = this.#world;
    return latest === null
      ? index < script.settings.replicas
      : memberById(latest.configuration, id) !== undefined;
  }

  /** Disks that are stalled answer in the end; one that was full is asked again after a while. */
  get #goodBy(): number {
    return Math.max(this.#spaceKnownBy, ...this.#there.map(({ disk }) => disk.stalledUntil));
  }

  get #isLinked(): boolean {
    const { now } = this.#world.events;
    if (now < this.#lookAt) return false;
    this.#lookAt = now + LOOK_EVERY_MS;
    if (now < this.#goodBy || this.#isUnknown) return false;
    return this.#there.every((machine) => {
      if (!machine.isOpen) return false;
      const { peers } = machine.process!.engine!.status();
      // Two that are no members need not know of each other.
      return this.#there.every(
        (other) =>
          other === machine ||
          !(this.#isMember(machine) || this.#isMember(other)) ||
          peers.some(({ id, connected }) => id === other.id && connected),
      );
    });
  }

  /** Somebody was told of no member set yet, and takes no commands. */
  get #isUnknown(): boolean {
    if (!this.#world.script.settings.isBootstrapped) return false;
    return this.#there.some(({ process }) => process === null || process.side.membership.refusal !== null);
  }

  get #isRecovered(): boolean {
    const world = this.#world;
    if (world.calls.hasWaiting || world.changes.isUnsettled) return false;
    const { appliedMost, latest } = world;
    return this.#there.every((machine) => {
      if (!machine.isOpen || machine.appliedSlot < appliedMost || latest === null) return false;
      const member = memberById(latest.configuration, machine.id);
      return member === undefined || member.number === machine.process!.bridge.self;
    });
  }

  /** Nobody disturbs a primary that works. */
  #checkCalm(): void {
    const world = this.#world;
    const { electionTimeoutMs } = world.script.settings;
    // Whoever was behind may have begun an election before it heard; and a primary whose disk was full may step down
    // before it asks for space again.
    world.runUntil(world.events.now + 2 * electionTimeoutMs + SPACE_RETRY_MS);
    const before = this.#there.map(({ becamePrimary }) => becamePrimary).join();
    world.runUntil(world.events.now + CALM_TIMEOUTS * electionTimeoutMs);
    const after = this.#there.map(({ becamePrimary }) => becamePrimary).join();
    if (before !== after) throw new Violation('calm-in-peace', `${before} then ${after}`);
  }

  #checkAgreement(): void {
    const digests = new Set(this.#there.map(({ appliedSlot, digest }) => `${appliedSlot} ${digest}`));
    if (digests.size > 1) throw new Violation('equal-digests', [...digests].join(', '));
  }

  /** Everything that a caller was told is done has been done by everyone; nothing that was refused has by anyone. */
  #checkDurability(): void {
    for (const { call, outcome } of this.#world.calls.records) {
      for (const { id, executed } of this.#there) {
        if (outcome === 'committed' && !executed.has(call))
          throw new Violation('acknowledged-is-kept', `call ${call} is not in the state of ${id}`);
        if (outcome === 'not-applied' && executed.has(call))
          throw new Violation('refused-is-not-executed', `call ${call} is in the state of ${id}`);
      }
    }
  }

  #describe(): string {
    const states = this.#there.map((machine) => {
      const status = machine.process?.engine?.status();
      const links = status?.peers.filter(({ connected }) => connected).map(({ id }) => id) ?? [];
      return status === undefined
        ? `${machine.id}: ${machine.process?.state ?? 'down'}`
        : `${machine.id}: ${machine.process!.state}, ${status.role} of configuration ${status.configuration}, ballot ${status.ballot}, chosen ${status.chosen}, applied ${machine.appliedSlot}, primary ${status.primary}, linked with ${links.join(' ')}`;
    });
    return `applied ${this.#world.appliedMost}; ${states.join('; ')}`;
  }
}
