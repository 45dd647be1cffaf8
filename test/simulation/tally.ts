/** What many runs add up to. */

import type { RunResult } from './run.js';

export interface Failure {
  readonly seed: number;
  readonly invariant: string;
  readonly detail: string;
}

export interface Tally {
  seeds: number;
  failures: Failure[];
  simulatedMs: number;
  events: number;
  slots: number;
  crashes: number;
  wipes: number;
  checkpointsMade: number;
  checkpointsCopied: number;
  copiesAsked: number;
  copiesMade: number;
  segmentsDropped: number;
  primaries: number;
  configurations: number;
  changes: number;
  committed: number;
  readsLinearizable: number;
  readsLease: number;
  readsAfter: number;
  readsMaxAge: number;
  /** The most election timeouts that a run took to choose again, and to recover. */
  progressInMost: number;
  recoveredInMost: number;
}

export function emptyTally(): Tally {
  return {
    seeds: 0,
    failures: [],
    simulatedMs: 0,
    events: 0,
    slots: 0,
    crashes: 0,
    wipes: 0,
    checkpointsMade: 0,
    checkpointsCopied: 0,
    copiesAsked: 0,
    copiesMade: 0,
    segmentsDropped: 0,
    primaries: 0,
    configurations: 0,
    changes: 0,
    committed: 0,
    readsLinearizable: 0,
    readsLease: 0,
    readsAfter: 0,
    readsMaxAge: 0,
    progressInMost: 0,
    recoveredInMost: 0,
  };
}

export function addRun(tally: Tally, run: RunResult): void {
  add(tally, {
    seeds: 1,
    failures: run.violation === null ? [] : [{ seed: run.seed, ...run.violation }],
    simulatedMs: run.simulatedMs,
    events: run.events,
    slots: run.slots,
    crashes: run.crashes,
    wipes: run.wipes,
    checkpointsMade: run.checkpointsMade,
    checkpointsCopied: run.checkpointsCopied,
    copiesAsked: run.copiesAsked,
    copiesMade: run.copiesMade,
    segmentsDropped: run.segmentsDropped,
    primaries: run.primaries,
    configurations: run.configurations,
    changes: run.changesChosen,
    committed: run.committed,
    readsLinearizable: run.reads.linearizable,
    readsLease: run.reads.lease,
    readsAfter: run.reads.after,
    readsMaxAge: run.reads.maxAgeMs,
    progressInMost: run.peace?.progressIn ?? 0,
    recoveredInMost: run.peace?.recoveredIn ?? 0,
  });
}

export function add(tally: Tally, more: Tally): void {
  tally.seeds += more.seeds;
  tally.failures.push(...more.failures);
  tally.simulatedMs += more.simulatedMs;
  tally.events += more.events;
  tally.slots += more.slots;
  tally.crashes += more.crashes;
  tally.wipes += more.wipes;
  tally.checkpointsMade += more.checkpointsMade;
  tally.checkpointsCopied += more.checkpointsCopied;
  tally.copiesAsked += more.copiesAsked;
  tally.copiesMade += more.copiesMade;
  tally.segmentsDropped += more.segmentsDropped;
  tally.primaries += more.primaries;
  tally.configurations += more.configurations;
  tally.changes += more.changes;
  tally.committed += more.committed;
  tally.readsLinearizable += more.readsLinearizable;
  tally.readsLease += more.readsLease;
  tally.readsAfter += more.readsAfter;
  tally.readsMaxAge += more.readsMaxAge;
  tally.progressInMost = Math.max(tally.progressInMost, more.progressInMost);
  tally.recoveredInMost = Math.max(tally.recoveredInMost, more.recoveredInMost);
}
