/**
 * A primary whose disk stalls, or whose process stands still, is replaced within two election timeouts, however the network and
 * the disks are; and calls go on meanwhile.
 */

import { describe, expect, it } from 'vitest';
import { Invariants } from './invariants/index.js';
import type { Machine } from './machine.js';
import { drawScript, type Fault, type Script } from './script.js';
import { Trouble } from './trouble.js';
import { World } from './world.js';

const SEEDS = 24;
/** By then there is a primary, whatever the seed. */
const BEGIN_TIMEOUTS = 5;
const BEGIN_MS = 3000;

function scriptOf(seed: number, make: (at: number, forMs: number) => Fault): Script {
  // An application that does not let a replica lead takes the time that it takes, and here nobody bootstraps.
  const { asks: _, ...drawn } = drawScript(seed, 'recoverable').settings;
  const settings = { ...drawn, isBootstrapped: false };
  const { electionTimeoutMs } = settings;
  const at = BEGIN_MS + BEGIN_TIMEOUTS * electionTimeoutMs;
  // Busy, so that the disk is always at work; disks and network that are fast beside the timeout.
  const busy = { clients: 4, thinkMs: electionTimeoutMs * 0.02, burst: 1, electionTimeoutMs };
  const network = { ...settings.network, delayMs: [0.05, 2] as [number, number], tail: 0 };
  const disk = { ...settings.disk, writeMs: [0.02, 2] as [number, number], isMapped: false };
  return {
    seed,
    settings: { ...settings, ...busy, network, disk, troubleMs: at + 4 * electionTimeoutMs },
    faults: [make(at, 10 * electionTimeoutMs)],
  };
}

/** Election timeouts until another replica leads; null where there was no primary to be replaced. */
function replacedIn(script: Script): number | null {
  const world = new World(script, { invariants: new Invariants(), print: null });
  const [fault] = script.faults;
  const primary = (): Machine | undefined => world.machines.find((machine) => machine.isPrimary);
  for (const machine of world.machines) world.startAt(machine, world.random.real() * 10);
  new Trouble(world).begin();
  const { electionTimeoutMs } = script.settings;
  world.runUntil(fault!.at - electionTimeoutMs);
  for (const client of world.clients) client.start();
  world.runUntil(fault!.at - 0.001);
  const before = primary();
  let timeouts: number | null = null;
  if (before !== undefined) {
    const isReplaced = (): boolean =>
      world.machines.some((machine) => machine !== before && machine.isPrimary);
    world.runUntil(fault!.at + 4 * electionTimeoutMs, isReplaced);
    timeouts = (world.events.now - fault!.at) / electionTimeoutMs;
    if (!isReplaced()) timeouts = Number.POSITIVE_INFINITY;
  }
  world.dispose();
  if (world.violation !== null) throw world.violation;
  return timeouts;
}

describe('a primary is replaced within two election timeouts', () => {
  it.each([
    ['its disk stalls', 'stall-disk'],
    ['its process stands still', 'pause'],
  ] as const)('where %s', { timeout: 120_000 }, (_, kind) => {
    let judged = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const timeouts = replacedIn(scriptOf(seed, (at, forMs) => ({ at, kind, target: -1, forMs })));
      if (timeouts === null) continue;
      judged += 1;
      expect(timeouts, `seed ${seed}`).toBeLessThan(2);
    }
    expect(judged).toBeGreaterThan(SEEDS * 0.9);
  });
});
