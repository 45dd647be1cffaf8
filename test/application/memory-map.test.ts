/** Aim: the application's thread maps a region once, for one segment after another, and lets go of it when the engine says so. */

import { beforeEach, expect, test } from 'vitest';
import { MemoryMap } from '../../src/application/memory-map.js';

const BYTES = 4096;
let mapped: Uint8Array[];
let unmapped: Uint8Array[];
let memories: MemoryMap;

beforeEach(() => {
  mapped = [];
  unmapped = [];
  memories = new MemoryMap(
    BYTES,
    {
      map: (_reference, bytes) => {
        mapped.push(new Uint8Array(bytes));
        return mapped.at(-1)!;
      },
      unmap: (bytes) => void unmapped.push(bytes),
    },
    () => {},
  );
});

function add(segment: number, region?: number): void {
  memories.addSegment(segment, { kind: 'mapped', path: `${segment}.segment`, readOnly: false, region });
}

test('a region is mapped once, for one segment after another', () => {
  add(1, 7);
  memories.drop(1);
  add(2, 7);
  expect(mapped.length).toBe(1);
  expect(memories.get(2).bytes).toBe(mapped[0]);
  expect(unmapped).toEqual([]);
});

test('what has served its time is unmapped at once, and nothing else', () => {
  add(1, 7);
  add(2, 8);
  memories.drop(1);
  memories.dropRegion(7);
  expect(unmapped).toEqual([mapped[0]]);
  memories.dropRegion(7);
  memories.dropRegion(99);
  expect(unmapped.length).toBe(1);
  expect(memories.get(2).bytes).toBe(mapped[1]);
});

test('a segment without a region has a mapping of its own', () => {
  add(1);
  add(2);
  expect(mapped.length).toBe(2);
});
