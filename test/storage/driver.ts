/** Drives a log medium from tests: promises around its callbacks, and events to wait for. */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { SynodError } from '../../src/errors.js';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import type { LogMedium, SegmentMemory, SegmentSummary } from '../../src/storage/log-medium.js';

export const SEGMENT_BYTES = 64 * 1024;

/** A new directory that `dispose` deletes. `root` is where: a disk by default. */
export function makeScratch(root: string = os.tmpdir()): { path: string; dispose(): void } {
  const scratch = fs.mkdtempSync(path.join(root, 'synod-test-'));
  return { path: scratch, dispose: () => fs.rmSync(scratch, { recursive: true, force: true }) };
}

/** Names of the files in `directory` that are segments, or are to become some. */
export function segmentFiles(directory: string): string[] {
  return fs.readdirSync(directory).filter((name) => name.includes('.segment'));
}

/** The file medium in `directory`, on `fileSystem`, once it has started. */
export async function startFileMedium(directory: string, fileSystem: FileSystem): Promise<MediumDriver> {
  const driver = new MediumDriver(createFileMedium({ directory, segmentBytes: SEGMENT_BYTES, fileSystem }));
  await driver.start();
  return driver;
}

export class MediumDriver {
  readonly medium: LogMedium;
  /** Every report of the handler, in order. */
  readonly persisted: number[] = [];
  readonly regionsGone: number[] = [];
  readonly failures: SynodError[] = [];
  lastTicket = 0;
  closed = false;
  #waiting: Array<() => void> = [];
  /** True while a call into the medium is on the stack in which no callback may come. */
  #isCalling = false;

  constructor(medium: LogMedium) {
    this.medium = medium;
  }

  get persistedTicket(): number {
    return this.persisted[this.persisted.length - 1] ?? 0;
  }

  start(): Promise<readonly SegmentSummary[]> {
    const handler = {
      onPersisted: (ticket: number): void => {
        this.#checkReport();
        this.persisted.push(ticket);
        this.#wake();
      },
      onFailure: (error: SynodError): void => {
        this.#checkReport();
        this.failures.push(error);
        this.#wake();
      },
      onRegionGone: (region: number): void => void this.regionsGone.push(region),
    };
    return this.#call((callback) => this.medium.start(handler, callback));
  }

  create(segment: number): Promise<SegmentMemory> {
    return this.#call((callback) => this.medium.create(segment, callback));
  }

  read(segment: number, offset: number, length: number): Promise<Uint8Array> {
    const target = new Uint8Array(length).fill(0xee);
    return this.#call<number>((callback) => this.medium.read(segment, offset, target, callback)).then(
      (count) => target.subarray(0, count),
    );
  }

  harden(segment: number, from: number, to: number): Promise<void> {
    return this.#call((callback) => this.medium.harden(segment, from, to, callback));
  }

  truncate(segment: number, bytes: number): Promise<void> {
    return this.#call((callback) => this.medium.truncate(segment, bytes, callback));
  }

  remove(segment: number): Promise<void> {
    return this.#call((callback) => this.medium.remove(segment, callback));
  }

  async close(): Promise<void> {
    await this.#call<void>((callback) => this.medium.close(callback));
    this.closed = true;
  }

  /** Queues a range; yields its ticket. */
  persist(memory: SegmentMemory, from: number, to: number): number {
    this.lastTicket += 1;
    this.#isCalling = true;
    this.medium.persist(memory, from, to, this.lastTicket);
    this.#isCalling = false;
    return this.lastTicket;
  }

  flush(): void {
    this.medium.flush();
  }

  /** Until `ticket` is durable; rejects with the medium's failure. */
  async durable(ticket: number): Promise<void> {
    while (this.persistedTicket < ticket) {
      if (this.failures.length > 0) throw this.failures[0];
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Waits for it. Anything reported durable meanwhile is an error: nobody would wait for a failure that does not come. */
  async failure(): Promise<SynodError> {
    const reported = this.persisted.length;
    while (this.failures.length === 0) {
      if (this.persisted.length > reported) throw new Error('reported durable instead of failing');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.failures[0]!;
  }

  async write(memory: SegmentMemory, from: number, to: number): Promise<void> {
    const ticket = this.persist(memory, from, to);
    this.flush();
    await this.durable(ticket);
  }

  #call<T>(start: (callback: (error: SynodError | null, value?: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let calls = 0;
      this.#isCalling = true;
      start((error, value) => {
        calls += 1;
        if (this.#isCalling) return reject(new Error('the callback came before the call had returned'));
        if (calls > 1) throw new Error('the callback came twice');
        if (error !== null) reject(error);
        else resolve(value as T);
      });
      this.#isCalling = false;
    });
  }

  #checkReport(): void {
    if (this.closed) throw new Error('the handler was called after close');
    if (this.#isCalling) throw new Error('the handler was called before the call had returned');
    if (this.failures.length > 0) throw new Error('the handler was called after onFailure');
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

/** Bytes that tell where they were written: by segment, position and a seed. */
export function fillPattern(memory: SegmentMemory, from: number, to: number, seed: number): void {
  for (let at = from; at < to; at += 1) memory.bytes[at] = patternByte(memory.segment, at, seed);
}

export function patternByte(segment: number, at: number, seed: number): number {
  return ((segment * 31 + at * 7 + (at >>> 8) * 13 + seed * 101) % 255) + 1;
}

/** Position of the first byte of `bytes` that is not as `fillPattern` writes it, or -1. */
export function findDifference(bytes: Uint8Array, segment: number, offset: number, seed: number): number {
  return bytes.findIndex((byte, index) => byte !== patternByte(segment, offset + index, seed));
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
