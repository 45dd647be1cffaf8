/** Aim: memory for what is read back is used again once nobody reads it, and given up when there is nothing to read back. */

import { expect, test } from 'vitest';
import { ChunkPool } from '../../src/engine/chunk-pool.js';

function makePool(): { pool: ChunkPool; known: Map<number, number> } {
  const known = new Map<number, number>();
  const pool = new ChunkPool({
    chunkBytes: 1000,
    onChunk: (id, buffer) => void known.set(id, buffer.byteLength),
    onChunkGone: (id) => expect(known.delete(id), `chunk ${id} is gone once`).toBe(true),
  });
  return { pool, known };
}

test('a chunk that nobody reads is taken again, and not told of again', () => {
  const { pool, known } = makePool();
  const first = pool.take(10);
  const second = pool.take(1000);
  expect(second.id).not.toBe(first.id);
  pool.keep(new Set([second.id]));
  const third = pool.take(500);
  expect(third.buffer).toBe(first.buffer);
  expect(third.id).toBe(first.id);
  expect([...known.values()]).toEqual([1000, 1000]);
});

test('one that is in use is never taken', () => {
  const { pool } = makePool();
  const used = new Set<number>();
  for (let count = 0; count < 5; count += 1) {
    const { id } = pool.take(1000);
    expect(used.has(id)).toBe(false);
    used.add(id);
    pool.keep(used);
  }
});

test('one for more than usual is made for that alone, and given up behind it', () => {
  const { pool, known } = makePool();
  const usual = pool.take(1);
  const large = pool.take(5000);
  expect(large.buffer.byteLength).toBe(5000);
  pool.keep(new Set([usual.id]));
  expect([...known.keys()]).toEqual([usual.id]);
  expect(pool.take(5000).buffer).not.toBe(large.buffer);
});

test('nothing is held once nothing is in use', () => {
  const { pool, known } = makePool();
  const last = [pool.take(1), pool.take(1), pool.take(1)][2]!;
  pool.keep(new Set([last.id]));
  expect(pool.isEmpty).toBe(false);
  expect(known.size).toBe(3);
  pool.keep(new Set());
  expect(pool.isEmpty).toBe(true);
  expect(known.size).toBe(0);
});
