/**
 * Load, one by one with a promise each, or in batches. Closed loop: so many commands are outstanding at any time. With a rate, open loop:
 * so many are given each second, whether or not those before them are done.
 */

import { CommandBatch } from 'synod';
import { atRate } from './open-loop.js';
import { Latencies, type Percentiles } from './percentiles.js';

export interface LoadSettings {
  readonly size: number;
  readonly outstanding: number;
  readonly seconds: number;
  /** Commands per call; 0: single commands with a promise each. */
  readonly batch: number;
  /** Commands given in a second; 0: a closed loop. */
  readonly rate: number;
  /** Of batches: an array of commands, or a `CommandBatch` whose commands are written in place for each call. */
  readonly form: 'array' | 'packed';
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
  many(commands: readonly Uint8Array[] | CommandBatch): Promise<unknown>;
}

/** Only one lane in so many is timed: the clock costs a tenth of what a command does. */
const TIMED_LANES = 16;

/** Every byte of every command is written anew, as a service does that serialises into the batch. */
function fill(batch: CommandBatch, count: number, size: number, serial: number): void {
  batch.clear();
  for (let index = 0; index < count; index += 1) {
    let at = batch.reserve(size);
    const { bytes, view } = batch;
    const end = at + size;
    for (; at + 8 <= end; at += 8) view.setFloat64(at, serial + index, true);
    for (; at < end; at += 1) bytes[at] = 7;
  }
}

export async function drive(target: LoadTarget, settings: LoadSettings): Promise<LoadResult> {
  const { size, outstanding, seconds, batch, form, rate } = settings;
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
  const one = async (since: number): Promise<void> => {
    try {
      await target.one(command);
    } catch {
      return onFailed();
    }
    if (since > 0) latencies.add((performance.now() - since) * 1000);
    commands += 1;
  };
  const count = Math.min(batch, outstanding);
  const list = new Array<Uint8Array>(count).fill(command);
  const many = async (packed: CommandBatch, since: number): Promise<void> => {
    if (form === 'packed') fill(packed, count, size, commands);
    try {
      await target.many(form === 'packed' ? packed : list);
    } catch {
      return onFailed();
    }
    latencies.add((performance.now() - since) * 1000);
    commands += count;
  };
  // Not by `one`: another promise for each command would be the load's own weight.
  const single = async (_: unknown, index: number): Promise<void> => {
    const isTimed = index % TIMED_LANES === 0;
    while (!isOver) {
      const since = isTimed ? performance.now() : 0;
      try {
        await target.one(command);
      } catch {
        await onFailed();
        continue;
      }
      if (isTimed) latencies.add((performance.now() - since) * 1000);
      commands += 1;
    }
  };
  const batches = async (): Promise<void> => {
    const packed = new CommandBatch(count * (size + 4));
    while (!isOver) await many(packed, performance.now());
  };
  const lanes = batch === 0 ? outstanding : Math.max(1, Math.floor(outstanding / batch));
  if (rate === 0) await Promise.all(Array.from({ length: lanes }, batch === 0 ? single : batches));
  else {
    const spare: CommandBatch[] = [];
    const give =
      batch === 0
        ? (since: number, serial: number) => one(serial % TIMED_LANES === 0 ? since : 0)
        : async (since: number) => {
            const packed = spare.pop() ?? new CommandBatch(count * (size + 4));
            await many(packed, since);
            spare.push(packed);
          };
    await atRate({ perSecond: rate / Math.max(1, count), lanes, isOver: () => isOver, give });
  }
  clearTimeout(timer);
  clearInterval(sampler);
  sample();
  const elapsed = (performance.now() - started) / 1000;
  const timeline = { firstTenth, done: Array.from(done, (count) => count ?? 0) };
  return { commands, failed, seconds: elapsed, latencyUs: latencies.percentiles(), timeline };
}
