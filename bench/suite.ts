/**
 * The package `benchmark`, so that it cannot fail in silence: by itself it swallows what a case throws and prints a figure all the
 * same.
 */

import Benchmark from 'benchmark';

export interface CaseResult {
  readonly name: string;
  /** What one operation is, where that is not one call. */
  readonly unit: string;
  readonly nsPerOperation: number;
  /** Relative margin of error, in per cent, as `benchmark` computes it. */
  readonly marginPercent: number;
  readonly samples: number;
  /** Of the quickest sample. */
  readonly nsLeast: number;
}

export interface Case {
  readonly name: string;
  readonly unit?: string;
  /** Operations in one call. Default 1. */
  readonly operations?: number;
  /** One call; asynchronous where it yields a promise. */
  readonly run: () => unknown;
  readonly isAsync?: boolean;
}

/** Rejects with what the case throws. */
export async function measure(one: Case, seconds: number): Promise<CaseResult> {
  // `benchmark` calls it in ways of its own: here an error is seen before that.
  await one.run();
  let failure: unknown = null;
  const run = one.isAsync
    ? (deferred: { resolve(): void }): void => {
        (one.run() as Promise<unknown>).then(
          () => deferred.resolve(),
          (error: unknown) => {
            failure ??= error;
            deferred.resolve();
          },
        );
      }
    : (): void => {
        try {
          one.run();
        } catch (error) {
          failure ??= error;
          throw error;
        }
      };
  const benchmark = new Benchmark(one.name, run, {
    defer: one.isAsync === true,
    maxTime: seconds,
    minSamples: 5,
  });
  await new Promise<void>((resolve) => {
    benchmark.on('complete', () => resolve());
    benchmark.run({ async: true });
  });
  const error = failure ?? (benchmark as unknown as { error?: unknown }).error;
  if (error !== null && error !== undefined) throw error;
  const { mean, rme, sample } = benchmark.stats;
  if (!(mean > 0) || sample.length < 5)
    throw new Error(`${one.name}: ${sample.length} samples, mean ${mean}`);
  return {
    name: one.name,
    unit: one.unit ?? 'call',
    nsPerOperation: (mean * 1e9) / (one.operations ?? 1),
    marginPercent: rme,
    samples: sample.length,
    nsLeast: (Math.min(...sample) * 1e9) / (one.operations ?? 1),
  };
}

/** The same by a plain loop: what is far from it was measured wrongly. Nanoseconds, of the quickest of several rounds. */
export function timePlainly(run: () => unknown, seconds: number): number {
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + seconds * 1000;
  for (let count = 16; performance.now() < end; ) {
    const began = performance.now();
    for (let index = 0; index < count; index += 1) run();
    const tookMs = performance.now() - began;
    best = Math.min(best, (tookMs * 1e6) / count);
    if (tookMs < 20) count *= 2;
  }
  return best;
}
