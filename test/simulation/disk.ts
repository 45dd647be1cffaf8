/**
 * A simulated disk: the bytes that a power cut leaves, and what may go wrong with them. It outlives the processes that use
 * it; `medium.ts` is how one process does.
 */

import type { Random } from '../properties/random.js';
import { CheckpointFolder } from './checkpoint-folder.js';

/** How this kind of disk behaves. */
export interface DiskModel {
  readonly blockBytes: number;
  /** A write that is interrupted comes through in pieces of so many bytes. */
  readonly tearBytes: number;
  /** Every store is durable some time or other, asked for or not: persistent memory. */
  readonly isMapped: boolean;
  /** Bounds of how long a write takes. */
  readonly writeMs: readonly [number, number];
  readonly segmentBytes: number;
}

/** A write that is on its way to the disk. `memory` still is the only place that has all of its bytes. */
export interface InFlight {
  readonly segment: number;
  readonly memory: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** What a disk held at some time. */
export interface DiskSnapshot {
  readonly segments: ReadonlyMap<number, Uint8Array>;
  readonly checkpoints: ReadonlyMap<string, Uint8Array>;
}

/** What one write to come will do instead of what it says. */
export type WriteFault = 'lost' | 'stale-piece' | 'misdirected';

export class Disk {
  /** Given by the world, once. */
  readonly name: string;
  readonly model: DiskModel;
  /** By segment, in ascending order: segments are made in order. */
  readonly segments: Map<number, Uint8Array> = new Map();
  readonly checkpoints = new CheckpointFolder();
  /** No space for another segment until then. */
  fullUntil = 0;
  /** Nothing is answered until then. */
  stalledUntil = 0;
  /** From now on it is never slow by chance. */
  isHealed = false;
  /** The next write or sync fails. */
  failsNext = false;
  /** The next write does something else. */
  nextWriteFault: WriteFault | null = null;
  /** A write that was reported durable, or a byte that was, is not what it was. */
  isDamaged = false;

  /** Damaged, or about to be. */
  get isSuspect(): boolean {
    return this.isDamaged || this.nextWriteFault !== null;
  }

  constructor(name: string, model: DiskModel) {
    this.name = name;
    this.model = model;
  }

  create(segment: number): void {
    this.segments.set(segment, takeBytes(this.model.segmentBytes));
  }

  remove(segment: number): boolean {
    const bytes = this.segments.get(segment);
    if (bytes !== undefined) giveBytes(bytes);
    return this.segments.delete(segment);
  }

  /** The write comes through, or whatever the disk does in its place. */
  land({ segment, memory, from, to }: InFlight, random: Random): void {
    const platter = this.segments.get(segment);
    if (platter === undefined) return;
    const fault = this.nextWriteFault;
    this.nextWriteFault = null;
    if (fault === null) {
      platter.set(memory.subarray(from, to), from);
      return;
    }
    this.isDamaged = true;
    const { tearBytes } = this.model;
    if (fault === 'stale-piece') {
      const pieces = Math.ceil((to - from) / tearBytes);
      const stale = random.below(pieces);
      for (let piece = 0; piece < pieces; piece += 1)
        if (piece !== stale) copyPiece(platter, memory, from + piece * tearBytes, tearBytes, to);
    } else if (fault === 'misdirected') {
      const targets = [...this.segments.values()];
      const target = random.pick(targets);
      const room = Math.max(0, Math.min(target.length, platter.length) - (to - from));
      const at = Math.floor((random.real() * room) / 512) * 512;
      target.set(memory.subarray(from, Math.min(to, from + target.length - at)), at);
    }
  }

  /** The process or the machine died: of what was on its way any pieces came through. */
  interrupt(writes: readonly InFlight[], random: Random): void {
    const { tearBytes } = this.model;
    const luck = random.pick([0, 0.5, 0.9, 1]);
    for (const { segment, memory, from, to } of writes) {
      const platter = this.segments.get(segment);
      if (platter === undefined) continue;
      for (let at = from; at < to; at += tearBytes)
        if (random.chance(luck)) copyPiece(platter, memory, at, tearBytes, to);
    }
  }

  /** The power went: of the stores that nobody had asked to be durable any may be. Persistent memory only. */
  settleStores(segment: number, memory: Uint8Array, from: number, random: Random): void {
    const platter = this.segments.get(segment);
    if (platter === undefined) return;
    const { tearBytes } = this.model;
    let blank = 0;
    for (let at = from; at < Math.min(memory.length, platter.length) && blank < 16_384; at += tearBytes) {
      if (isSame(platter, memory, at, tearBytes)) blank += tearBytes;
      else {
        blank = 0;
        if (random.chance(0.5)) copyPiece(platter, memory, at, tearBytes, memory.length);
      }
    }
  }

  /** As it is now, to be put back later. */
  snapshot(): DiskSnapshot {
    return {
      segments: new Map([...this.segments].map(([segment, bytes]) => [segment, bytes.slice()])),
      checkpoints: this.checkpoints.snapshot(),
    };
  }

  restore({ segments, checkpoints }: DiskSnapshot): void {
    this.checkpoints.restore(checkpoints);
    this.segments.clear();
    for (const [segment, bytes] of segments) this.segments.set(segment, bytes.slice());
  }

  /** Nobody uses it any more. */
  discard(): void {
    for (const bytes of this.segments.values()) giveBytes(bytes);
    this.segments.clear();
  }
}

function copyPiece(target: Uint8Array, source: Uint8Array, at: number, length: number, end: number): void {
  target.set(source.subarray(at, Math.min(at + length, end, target.length)), at);
}

function isSame(a: Uint8Array, b: Uint8Array, at: number, length: number): boolean {
  for (let index = at; index < at + length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

// Zeroed memory is most of what a short run would cost: it is used again, by runs after this one too.

const BYTES_KEPT = 256;
const spare: Map<number, Uint8Array[]> = new Map();

function takeBytes(length: number): Uint8Array {
  const bytes = spare.get(length)?.pop();
  if (bytes === undefined) return new Uint8Array(length);
  bytes.fill(0);
  return bytes;
}

function giveBytes(bytes: Uint8Array): void {
  const kept = spare.get(bytes.length);
  if (kept === undefined) spare.set(bytes.length, [bytes]);
  else if (kept.length < BYTES_KEPT) kept.push(bytes);
}
