/**
 * Hurts a cluster: bursts of one to three faults that may overlap, and after each burst time until everything works again,
 * which is measured. Everything is drawn from a seed per burst; who leads, and who is hurt already, the processes decide.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../cluster/support/random.js';
import type { TortureCluster } from './cluster.js';
import { drawLogarithmic, type Fault, type FaultKind } from './faults/fault.js';

const BURST_FAULTS_MAX = 3;
const GAP_MS_MAX = 1500;
const LAST_FAULTS = 40;

export interface FaultNote {
  readonly atMs: number;
  readonly what: string;
}

export interface NemesisOptions {
  readonly kinds: readonly FaultKind[];
  readonly seed: number;
  readonly nowMs: () => number;
  /** Everything that a burst hurt is healed: resolves when it works again. */
  readonly onHealed: () => Promise<void>;
  /** An injection or a healing threw: a fault had not the effect that it must have. */
  readonly onFailure: (text: string) => void;
}

export class Nemesis {
  /** By kind, how often each was injected. */
  readonly counts: Map<string, number> = new Map();
  /** The last ones, for people. */
  readonly notes: FaultNote[] = [];
  readonly #active = new Set<Fault>();
  readonly #options: NemesisOptions;
  #bursts = 0;
  #stopping = false;

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  get active(): readonly string[] {
    return [...this.#active].map(({ text }) => text);
  }

  /** Ends what is at work as soon as it can be ended. */
  stop(): void {
    this.#stopping = true;
  }

  /** Bursts until the time is over; resolves with all faults healed. */
  async torture(cluster: TortureCluster, forMs: number): Promise<void> {
    const end = performance.now() + forMs;
    while (performance.now() < end && !this.#stopping) {
      const random = new Random(this.#options.seed + this.#bursts * 7919);
      this.#bursts += 1;
      await delay(random.below(GAP_MS_MAX));
      if (await this.#burst(cluster, random)) await this.#options.onHealed();
    }
  }

  /** False where nothing could be injected. */
  async #burst(cluster: TortureCluster, random: Random): Promise<boolean> {
    const count = 1 + (random.below(2) === 0 ? 0 : random.below(BURST_FAULTS_MAX));
    const running: Promise<void>[] = [];
    for (let number = 0; number < count && !this.#stopping; number += 1) {
      // Each fault has choices of its own, whatever the one before found.
      const own = new Random(random.below(0x7fff_ffff));
      const waitMs = random.below(2000);
      const kind = this.#pickKind(cluster, own, number > 0);
      if (kind === null) continue;
      const fault = await kind.draw(cluster, own);
      if (fault === null) continue;
      const [min, max] = kind.holdMs;
      // Short ones as often as long ones: what is cut off in the middle of being repaired finds most.
      running.push(this.#run(fault, drawLogarithmic(Math.max(1, min), Math.max(1, max), own)));
      if (kind.exclusive === true) break;
      await delay(waitMs);
    }
    await Promise.all(running);
    return running.length > 0;
  }

  #pickKind(cluster: TortureCluster, random: Random, withOthers: boolean): FaultKind | null {
    const possible = this.#options.kinds.filter(
      (kind) => kind.obstacle(cluster) === null && !(withOthers && kind.exclusive === true),
    );
    if (possible.length === 0) return null;
    let left = random.next() * possible.reduce((sum, { weight }) => sum + weight, 0);
    for (const kind of possible) {
      left -= kind.weight;
      if (left < 0) return kind;
    }
    return possible.at(-1)!;
  }

  async #run(fault: Fault, holdMs: number): Promise<void> {
    this.#active.add(fault);
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#note(fault.text);
    try {
      await fault.inject();
      await delay(holdMs);
      await fault.heal();
      this.#note(`healed: ${fault.text}`);
    } catch (error) {
      this.#note(`failed: ${fault.text}`);
      this.#options.onFailure(`${fault.text}: ${(error as Error).message}`);
    } finally {
      this.#active.delete(fault);
    }
  }

  #note(what: string): void {
    this.notes.push({ atMs: Math.round(this.#options.nowMs()), what });
    if (this.notes.length > LAST_FAULTS) this.notes.shift();
  }
}
