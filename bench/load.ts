/** Closed-loop load: so many commands are outstanding at any time, one by one with a promise each, or in batches. */

import { Latencies, type Percentiles } from './percentiles.js';

export interface LoadSettings {
  readonly size: number;
  readonly outstanding: number;
  readonly seconds: number;
  /** Commands per call; 0: single commands with a promise each. */
  readonly batch: number;
}

export interface LoadResult {
  readonly commands: number;
  readonly failed: number;
  readonly seconds: number;
  readonly latencyUs: Percentiles;
  /** Commands done in each tenth of a second since the epoch, from this one on. */
  readonly timeline: { readonly firstTenth: number; readonly done: readonly number[] };
}

export interface LoadTarget {
  one(command: Uint8Array): Promise<unknown>;
  many(commands: readonly Uint8Array[]): Promise<unknown>;
}

/** Only one lane in so many is timed: the clock costs a tenth of what a command does. */
const TIMED_LANES = 16;

export async function drive(target: LoadTarget, settings: LoadSettings): Promise<LoadResult> {
  const { size, outstanding, seconds, batch } = settings;
  const command = new Uint8Array(size).fill(7);
  const latencies = new Latencies();
  const firstTenth = Math.floor(Date.now() / 100);
  const done: number[] = [];
  let commands = 0;
  let failed = 0;
  let isOver = false;
  let counted = 0;
  const sample = (): void => {
    const tenth = Math.floor(Date.now() / 100) - firstTenth;
    done[tenth] = (done[tenth] ?? 0) + commands - counted;
    counted = commands;
  };
  const sampler = setInterval(sample, 20);
  const started = performance.now();
  const timer = setTimeout(() => {
    isOver = true;
  }, seconds * 1000);
  // A service that fails all calls must not make this spin.
  const onFailed = (): Promise<void> => {
    failed += 1;
    return new Promise((resolve) => setTimeout(resolve, 10));
  };
  const single = async (_: unknown, index: number): Promise<void> => {
    const isTimed = index % TIMED_LANES === 0;
    while (!isOver) {
      const before = isTimed ? performance.now() : 0;
      try {
        await target.one(command);
      } catch {
        await onFailed();
        continue;
      }
      if (isTimed) latencies.add((performance.now() - before) * 1000);
      commands += 1;
    }
  };
  const many = async (): Promise<void> => {
    const list = new Array<Uint8Array>(Math.min(batch, outstanding)).fill(command);
    while (!isOver) {
      const before = performance.now();
      try {
        await target.many(list);
      } catch {
        await onFailed();
        continue;
      }
      latencies.add((performance.now() - before) * 1000);
      commands += list.length;
    }
  };
  const lanes = batch === 0 ? outstanding : Math.max(1, Math.floor(outstanding / batch));
  await Promise.all(Array.from({ length: lanes }, batch === 0 ? single : many));
  clearTimeout(timer);
  clearInterval(sampler);
  sample();
  const elapsed = (performance.now() - started) / 1000;
  const timeline = { firstTenth, done: Array.from(done, (count) => count ?? 0) };
  return { commands, failed, seconds: elapsed, latencyUs: latencies.percentiles(), timeline };
}
