/**
 * The folder of checkpoints on a simulated disk: what processes see of it, and what a crash leaves. Names become durable in
 * the order in which they were given or taken, by a sync of the folder or by luck; bytes by a sync of the file, or by luck.
 */

import { parseCheckpointName } from '../../src/storage/checkpoint-store.js';
import type { Random } from '../properties/random.js';

export interface CheckpointFileBytes {
  bytes: Uint8Array;
  /** So much of it is durable. */
  synced: number;
}

type Names = Map<string, CheckpointFileBytes>;

export class CheckpointFolder {
  /** As processes see it. */
  readonly files: Names = new Map();
  /** As a crash may leave it: without what was done since the last sync of the folder. */
  #durable: Names = new Map();
  #since: ((names: Names) => void)[] = [];

  create(name: string): CheckpointFileBytes {
    const file = { bytes: new Uint8Array(0), synced: 0 };
    this.#do((names) => void names.set(name, file));
    return file;
  }

  rename(from: string, to: string): void {
    this.#do((names) => {
      const file = names.get(from);
      if (file === undefined) return;
      names.delete(from);
      names.set(to, file);
    });
  }

  remove(name: string): void {
    this.#do((names) => void names.delete(name));
  }

  sync(): void {
    for (const done of this.#since) done(this.#durable);
    this.#since = [];
  }

  /** Slots of the files that are whole and durable: what the log behind may be dropped for. */
  get durableSlots(): readonly number[] {
    return slotsOf([...this.#durable].filter(([, { bytes, synced }]) => bytes.length === synced));
  }

  get slots(): readonly number[] {
    return slotsOf([...this.files]);
  }

  /** The process or the machine died. */
  interrupt(random: Random): void {
    for (const done of this.#since.slice(0, random.below(this.#since.length + 1))) done(this.#durable);
    this.#since = [];
    this.files.clear();
    for (const [name, file] of this.#durable) {
      const { bytes, synced } = file;
      const kept = synced + random.below(bytes.length - synced + 1);
      const after = bytes.slice(0, kept);
      // What was not asked to be durable may have a length, and no content.
      if (kept > synced && random.chance(0.3)) after.fill(0, synced);
      this.files.set(name, { bytes: after, synced: after.length });
    }
    this.#durable = new Map(this.files);
  }

  snapshot(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.files].map(([name, { bytes }]) => [name, bytes.slice()]));
  }

  restore(snapshot: ReadonlyMap<string, Uint8Array>): void {
    this.files.clear();
    for (const [name, bytes] of snapshot)
      this.files.set(name, { bytes: bytes.slice(), synced: bytes.length });
    this.#durable = new Map(this.files);
    this.#since = [];
  }

  #do(change: (names: Names) => void): void {
    change(this.files);
    this.#since.push(change);
  }
}

function slotsOf(files: readonly (readonly [string, CheckpointFileBytes])[]): readonly number[] {
  return files.map(([name]) => parseCheckpointName(name)).filter((slot) => slot !== null);
}
