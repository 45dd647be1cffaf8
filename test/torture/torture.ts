/** A whole run: one generation after the other, until the time is over or something was found. */

import { join } from 'node:path';
import { commandOf, type TortureOptions } from './arguments.js';
import { type CheckName, checkNames, type Finding } from './checks.js';
import { faultKinds } from './faults/all.js';
import { Generation } from './generation.js';
import type { Counts } from './history.js';
import { type Machine, makeFolder, removeFolder } from './machine.js';
import type { FaultNote } from './nemesis.js';
import { type Distribution, distribution } from './recovery.js';
import { type ReadKind, readKinds } from './session.js';

const GENERATION_MINUTES_MAX = 4;
const PROGRESS_MS = 5000;

export interface Violation extends Finding {
  readonly generation: number;
  readonly epoch: number;
  /** What the cluster was made of. */
  readonly cluster: string;
  readonly lastFaults: readonly FaultNote[];
}

export interface Summary {
  readonly command: string;
  /** How long it ran. */
  readonly minutes: number;
  readonly seed: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly refused: number;
  /** Reads that were answered, by what they had to see. */
  readonly reads: Readonly<Record<ReadKind, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly generations: readonly string[];
  readonly epochs: number;
  readonly violations: readonly Violation[];
  /** From the healing of the last fault of a burst: the first write through anyone. */
  readonly recoveryMs: Distribution;
  /** The first write through everyone. */
  readonly recoveryOfAllMs: Distribution;
  readonly residentBytesMax: number;
  readonly descriptorsMax: number;
  readonly checks: readonly CheckName[];
  readonly missing: readonly string[];
  /** Where logs and data are kept, or null. */
  readonly kept: string | null;
}

export class Torture {
  readonly #options: TortureOptions;
  readonly #machine: Machine;
  readonly #folder: string = makeFolder();
  readonly #began = performance.now();
  readonly #generations: Generation[] = [];
  readonly #violations: Violation[] = [];
  readonly #progress: (line: string) => void;
  #interrupted = false;

  constructor(options: TortureOptions, machine: Machine, progress: (line: string) => void) {
    this.#options = options;
    this.#progress = progress;
    this.#machine = machine;
    for (const line of this.#machine.missing) progress(`not possible here: ${line}`);
  }

  get elapsedMs(): number {
    return performance.now() - this.#began;
  }

  async run(): Promise<Summary> {
    const { minutes, seed, faults } = this.#options;
    const kinds = faultKinds.filter(({ kind }) => faults === null || faults.includes(kind));
    const timer = setInterval(() => this.#tell(), PROGRESS_MS);
    try {
      // Short runs see each kind of network too.
      const each = Math.min(GENERATION_MINUTES_MAX, minutes / Math.max(1, this.#machine.networks.length));
      for (let number = 0; this.#goesOn(minutes); number += 1) {
        const left = minutes - this.elapsedMs / 60_000;
        const { networks } = this.#machine;
        const plan = {
          number,
          seed: (seed + number * 1_000_003) >>> 0,
          network: networks[(seed + number) % networks.length]!,
          folder: join(this.#folder, `${number}`),
          minutes: Math.min(left, each),
        };
        const generation = new Generation(plan, this.#options, this.#machine, kinds, () => this.elapsedMs);
        this.#generations.push(generation);
        await this.#runOne(generation);
      }
    } finally {
      clearInterval(timer);
      this.#tell();
    }
    return this.#summary();
  }

  /** Breaks the run off; `run` then ends soon. */
  interrupt(): void {
    this.#interrupted = true;
    this.#generations.at(-1)?.stop();
  }

  /** For an exit handler: everything ends now. */
  disposeNow(): void {
    const generation = this.#generations.at(-1);
    const keeps = this.#violations.length > 0 || this.#options.keep;
    generation?.dispose();
    generation?.unmount(keeps);
    if (!keeps) removeFolder(this.#folder);
  }

  #goesOn(minutes: number): boolean {
    // What is left at the end is too short for another cluster.
    return !this.#interrupted && this.#violations.length === 0 && this.elapsedMs / 60_000 < minutes - 1 / 20;
  }

  async #runOne(generation: Generation): Promise<void> {
    let found: readonly Finding[];
    try {
      found = await generation.run();
    } catch (error) {
      if (this.#interrupted) found = [];
      else found = [{ check: 'fault-effect', text: String((error as Error).stack) }];
    }
    for (const finding of found) {
      this.#violations.push({
        ...finding,
        generation: generation.plan.number,
        epoch: generation.epochs,
        cluster: generation.description,
        lastFaults: generation.nemesis.notes,
      });
    }
    if (found.length > 0) for (const line of generation.lastLines) this.#progress(line);
    const keeps = found.length > 0 || this.#options.keep;
    generation.dispose();
    generation.unmount(keeps);
    if (!keeps) removeFolder(generation.plan.folder);
  }

  #counts(): Counts {
    const sum: Counts = { operations: 0, acknowledged: 0, unknown: 0, refused: 0 };
    for (const { history } of this.#generations) {
      sum.operations += history.counts.operations;
      sum.acknowledged += history.counts.acknowledged;
      sum.unknown += history.counts.unknown;
      sum.refused += history.counts.refused;
    }
    return sum;
  }

  #reads(): Record<ReadKind, number> {
    const all = { linearizable: 0, lease: 0, after: 0, maxAge: 0 };
    for (const { history } of this.#generations)
      for (const kind of readKinds) all[kind] += history.reads[kind];
    return all;
  }

  #lastOperations = 0;
  #lastToldMs = 0;

  #tell(): void {
    const generation = this.#generations.at(-1);
    if (generation === undefined) return;
    const { operations, unknown } = this.#counts();
    const now = this.elapsedMs;
    const rate = Math.round(
      (1000 * (operations - this.#lastOperations)) / Math.max(1, now - this.#lastToldMs),
    );
    this.#lastOperations = operations;
    this.#lastToldMs = now;
    const faults = this.#generations.reduce((all, { nemesis }) => all + sum(nemesis.counts.values()), 0);
    const active = generation.active.join('; ');
    this.#progress(
      `${Math.round(now / 1000)} s, cluster ${generation.plan.number} (${generation.description}), ` +
        `epoch ${generation.epochs}, faults ${faults}, operations ${operations} (${rate}/s), unknown ${unknown}` +
        `${active === '' ? '' : `, now: ${active}`}`,
    );
  }

  #summary(): Summary {
    const faults: Record<string, number> = {};
    for (const { nemesis } of this.#generations)
      for (const [kind, count] of nemesis.counts) faults[kind] = (faults[kind] ?? 0) + count;
    const recoveries = this.#generations.flatMap(({ recoveries }) => recoveries);
    const keeps = this.#violations.length > 0 || this.#options.keep;
    if (!keeps) removeFolder(this.#folder);
    return {
      command: commandOf(this.#options),
      minutes: Math.round(this.elapsedMs / 600) / 100,
      seed: this.#options.seed,
      ...this.#counts(),
      reads: this.#reads(),
      faults,
      generations: this.#generations.map(({ description }) => description),
      epochs: this.#generations.reduce((all, { epochs }) => all + epochs, 0),
      violations: this.#violations,
      recoveryMs: distribution(recoveries.map(({ serviceMs }) => serviceMs)),
      recoveryOfAllMs: distribution(recoveries.map(({ allMs }) => allMs)),
      residentBytesMax: Math.max(0, ...this.#generations.map(({ maxima }) => maxima.residentBytes)),
      descriptorsMax: Math.max(0, ...this.#generations.map(({ maxima }) => maxima.descriptors)),
      checks: checkNames,
      missing: this.#machine.missing,
      kept: keeps ? this.#folder : null,
    };
  }
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
