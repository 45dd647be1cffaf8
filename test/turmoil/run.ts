/**
 * One run: a world, and what happens to it, all of it drawn from one seed. Aim: no value is lost or exchanged, no read is stale and no contract
 * breaks, whatever is lost, late or changed beneath the protocol. It need not get on: that is for test/properties and test/simulation.
 */

import { ContractViolation } from '../../src/contracts.js';
import { PeerFault } from '../../src/protocol/plausible.js';
import { Violation } from '../properties/checker.js';
import type { Judged } from './judge.js';
import { Trouble } from './trouble.js';
import { type Counts, World } from './world.js';

export interface TurmoilViolation {
  /** The property, or the contract. */
  readonly name: string;
  readonly message: string;
}

export interface TurmoilResult {
  readonly seed: number;
  readonly violation: TurmoilViolation | null;
  readonly simulatedMs: number;
  readonly sums: Readonly<Counts> & Judged;
}

const TICKS = 700;

export function runTurmoil(seed: number): TurmoilResult {
  const world = new World(seed);
  const trouble = new Trouble(world);
  let violation: TurmoilViolation | null = null;
  try {
    for (let tick = 0; tick < TICKS; tick += 1) {
      world.tick();
      trouble.happen();
    }
  } catch (error) {
    violation = violationOf(error);
  }
  const { now, counts, judge } = world;
  return { seed, violation, simulatedMs: Math.round(now), sums: { ...counts, ...judge.sums } };
}

/** Any other error is one of the tool itself, or a slip: it is thrown. */
function violationOf(error: unknown): TurmoilViolation {
  if (error instanceof Violation) return { name: error.property, message: error.message };
  if (error instanceof ContractViolation) return { name: error.contract, message: error.message };
  // Every peer is this library too: what it must not send, it must not have sent.
  if (error instanceof PeerFault) return { name: 'peer-fault', message: error.message };
  throw error;
}
