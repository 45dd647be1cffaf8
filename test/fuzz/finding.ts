/** Runs one input and judges what happened. */

import { getHeapStatistics } from 'node:v8';
import { startCounting, stopCounting } from './allocations.js';
import type { FuzzTarget, Trace } from './target.js';

export interface Finding {
  /** What was broken: an exception, memory, time, or the language's own objects. */
  readonly kind: 'exception' | 'memory' | 'slow' | 'pollution' | 'hang' | 'out of memory' | 'crash';
  readonly message: string;
}

/** One input must be dealt with in this time; it is tried three times before it counts. */
const MS_MAX = 500;
const MEMORY_BYTES_MAX = 16 * 1024 * 1024;
/** What code may allocate for each byte of the input. */
const MEMORY_PER_BYTE = 4096;

const guarded: readonly object[] = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  Uint8Array.prototype,
];
const guardedKeys: readonly number[] = guarded.map((one) => Reflect.ownKeys(one).length);

function memoryBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  return error.stack ?? `${error.name}: ${error.message}`;
}

/** Null where all that must hold did. */
export async function judge(target: FuzzTarget, input: Uint8Array, trace: Trace): Promise<Finding | null> {
  const bytesMax = (target.memoryBytesMax ?? MEMORY_BYTES_MAX) + input.length * MEMORY_PER_BYTE;
  const memoryBefore = memoryBytes();
  const begun = performance.now();
  let asked = 0;
  let failure: Finding | null = null;
  startCounting(bytesMax);
  try {
    const result = target.run(input.slice(), trace);
    if (result !== undefined) await result;
  } catch (error) {
    failure = { kind: 'exception', message: describe(error) };
  } finally {
    asked = stopCounting();
  }
  const ms = performance.now() - begun;
  // Of the heap, garbage counts until it is collected: this is what was allocated, or less.
  const bytes = Math.max(asked, memoryBytes() - memoryBefore);
  if (bytes > bytesMax) {
    const where = failure === null ? '' : `\n${failure.message}`;
    return {
      kind: 'memory',
      message: `${bytes} bytes for an input of ${input.length}, bound ${bytesMax}${where}`,
    };
  }
  if (failure !== null) return failure;
  for (const [index, one] of guarded.entries()) {
    if (Reflect.ownKeys(one).length !== guardedKeys[index]) {
      return {
        kind: 'pollution',
        message: `own keys of a prototype changed: ${String(Reflect.ownKeys(one).at(-1))}`,
      };
    }
  }
  return ms > MS_MAX ? { kind: 'slow', message: `${Math.round(ms)} ms for ${input.length} bytes` } : null;
}

/** As `judge`, but what may be another's doing must happen three times: caches are filled once, and a machine may be slow. */
export async function judgeAgain(
  target: FuzzTarget,
  input: Uint8Array,
  first: Finding,
): Promise<Finding | null> {
  if (first.kind === 'exception' || first.kind === 'pollution') return first;
  let finding: Finding | null = first;
  for (let round = 0; round < 2 && finding !== null; round++) finding = await judge(target, input, () => {});
  return finding;
}
