/** Runs one script, and judges it. */

import type { CallRecord } from './client.js';
import { checkHistory, Invariants } from './invariants/index.js';
import { type ReadKind, Violation } from './observation.js';
import { Peace, type PeaceResult } from './peace.js';
import { drawScript, type Mode, type Script } from './script.js';
import { Trouble } from './trouble.js';
import { World } from './world.js';

/** Steps of the search after which a history counts as neither; few are that hard. */
const VISITED_MAX = 200_000;

export interface RunResult {
  readonly seed: number;
  readonly violation: { readonly invariant: string; readonly detail: string } | null;
  readonly hash: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly slots: number;
  readonly crashes: number;
  readonly wipes: number;
  readonly checkpointsMade: number;
  readonly checkpointsCopied: number;
  /** Copies of a peer's checkpoint that the application asked for, and that were made. */
  readonly copiesAsked: number;
  readonly copiesMade: number;
  readonly segmentsDropped: number;
  readonly primaries: number;
  readonly configurations: number;
  /** Changes of the member set that were asked for, and that were chosen. */
  readonly changesAsked: number;
  readonly changesChosen: number;
  readonly raisesAsked: number;
  /** The highest version of the protocol that came to be known. */
  readonly versionMost: number;
  /** Frames that were damaged, doubled, swapped or played again. */
  readonly injections: number;
  readonly calls: number;
  readonly committed: number;
  /** Reads that were answered, and judged. */
  readonly reads: { readonly [Kind in ReadKind]: number };
  readonly peace: PeaceResult | null;
}

export function runScript(script: Script, print: ((line: string) => void) | null = null): RunResult {
  const world = new World(script, { invariants: new Invariants(), print });
  let violation: Violation | null = null;
  let peace: PeaceResult | null = null;
  try {
    peace = live(world);
  } catch (error) {
    violation =
      error instanceof Violation ? error : new Violation('simulator', String((error as Error).stack));
  }
  world.dispose();
  return {
    seed: script.seed,
    violation: violation === null ? null : { invariant: violation.invariant, detail: violation.message },
    hash: world.trace.hash,
    simulatedMs: world.events.now,
    events: world.events.count,
    slots: world.appliedMost,
    crashes: world.crashes,
    wipes: world.wipes,
    checkpointsMade: world.checkpoints.made,
    checkpointsCopied: world.checkpoints.copied,
    copiesAsked: world.copies.asked,
    copiesMade: world.copies.made,
    segmentsDropped: world.checkpoints.dropped,
    primaries: world.machines.reduce((sum, { becamePrimary }) => sum + becamePrimary, 0),
    configurations: world.configurations.length,
    changesAsked: world.changes.records.length,
    changesChosen: world.changes.chosen,
    raisesAsked: world.raises.asked,
    versionMost: world.versionMost,
    injections: world.network.injections,
    calls: world.calls.records.length,
    committed: world.calls.records.filter(({ outcome }: CallRecord) => outcome === 'committed').length,
    reads: world.readers.answered,
    peace,
  };
}

export function runSeed(seed: number, mode: Mode, reads = 0): RunResult {
  return runScript(drawScript(seed, mode, reads));
}

function live(world: World): PeaceResult | null {
  const { settings } = world.script;
  const trouble = new Trouble(world);
  for (const machine of world.machines) world.startAt(machine, world.random.real() * 10);
  trouble.begin();
  for (const client of world.clients) client.start();
  if (settings.reads !== undefined) world.readers.start();
  world.runUntil(settings.troubleMs);
  const peace = settings.mode === 'recoverable' ? new Peace(world, trouble).run() : null;
  for (const client of world.clients) client.stop();
  world.readers.stop();
  world.closeAll();
  world.tell({ kind: 'finished', at: world.events.now });
  if (world.violation !== null) throw world.violation;
  world.changes.check();
  world.raises.check();
  checkHistory(world.calls.records, { visitedMax: VISITED_MAX });
  return peace;
}
