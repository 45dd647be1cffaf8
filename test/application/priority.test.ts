/** Aim: when a primary is lost, the member of the highest priority that is there takes its place at once, and no other one before it. */

import { afterEach, expect, it } from 'vitest';
import { bytesOf, closeAll, openCluster, until } from './support.js';

const priorities: Readonly<Record<string, number>> = { a: 255, b: 50, c: 200 };

afterEach(closeAll);

it.each([1, 2, 3, 4])('goes straight to the next priority when a primary is lost, time %i', async () => {
  const members = await openCluster(3, { electionTimeoutMs: 1000 }, (id) => ({
    leadership: { priority: priorities[id]! },
  }));
  const [a, b, c] = members.map(({ replica }) => replica);
  // Whoever was first has handed over by now.
  await until('a leads', () => [a, b, c].every((replica) => replica!.primary === 'a'));
  await Promise.all([a, b, c].map((replica) => replica!.replicate(bytesOf('x'))));
  const led: string[] = [];
  b!.on('primary', () => led.push('b'));
  c!.on('primary', () => led.push('c'));
  await a!.close();
  await b!.replicate(bytesOf('y'));
  expect(led).toEqual(['c']);
  expect(b!.primary).toBe('c');
});
