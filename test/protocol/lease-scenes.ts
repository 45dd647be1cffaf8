/** Replicas with leases, for tests. */

import { expect } from 'vitest';
import { b, Scene, statusReply } from './harness.js';

/** Drift so that of 300 ms the holder uses 300 * 0.9 / 1.1, a little more than 245. */
export const lease = { durationMs: 300, clockDriftMax: 0.1 };
export const leasing = { options: { lease } };

/** The last round that leases were asked for with, after a heartbeat. */
export function beat(scene: Scene): number {
  const lines = scene.wait(60).filter((line) => line.startsWith('send 2: lease-request'));
  return Number(/round (\d+)/.exec(lines.at(-1)!)![1]);
}

export const grant = (scene: Scene, from: number, round: number, ballot = b(1, 1)): string[] =>
  scene.receive(from, { kind: 'lease-grant', ballot, round });

/** Primary of three, that has been granted a lease by the second in this very round. */
export function holding(): Scene {
  const scene = new Scene(leasing);
  scene.wait(400);
  // The grants of an earlier life are over; an election may begin.
  const primary = scene.role === 'candidate' ? scene : scene.toCandidate();
  for (const peer of [2, 3]) primary.receive(peer, statusReply(1));
  primary.durable();
  primary.receive(2, { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 0 });
  expect(primary.role).toBe('primary');
  grant(primary, 2, beat(primary));
  return primary;
}
