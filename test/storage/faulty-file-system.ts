/** node:fs with faults: counts calls, and fails, shortens or holds back the ones that a test names. */

import fs from 'node:fs';
import type { FileSystem } from '../../src/storage/file-system.js';

type Callback = (error: NodeJS.ErrnoException | null, ...values: unknown[]) => void;
type Call = (...args: unknown[]) => void;

export interface Fault {
  /** The n-th call, from 0, that `matches` lets through (all if left out). */
  readonly at: number;
  readonly code: string;
  readonly matches?: (name: string) => boolean;
  /** Fail all later calls that match as well. */
  readonly lasting?: boolean;
}

export class FaultyFileSystem {
  /** Names of all calls, in order. */
  readonly calls: string[] = [];
  /** Bytes that each `write` takes at most. */
  writeBytesMax = Number.POSITIVE_INFINITY;
  /** Given the name of each call and what starts it: for holding calls back. */
  gate: ((name: string, proceed: () => void) => void) | null = null;
  /** How many calls have failed. */
  faults = 0;
  readonly fileSystem: FileSystem;
  #fault: Fault | null;
  #matching = 0;

  constructor(fault: Fault | null = null) {
    this.#fault = fault;
    const wrapped: Record<string, Call> = {};
    for (const name of [
      'close',
      'fdatasync',
      'fstat',
      'fsync',
      'ftruncate',
      'mkdir',
      'open',
      'read',
      'readdir',
      'rename',
      'unlink',
      'write',
    ] as const) {
      wrapped[name] = (...args) => this.#call(name, args);
    }
    this.fileSystem = wrapped as unknown as FileSystem;
  }

  /** Faults from here on; counting begins anew. */
  inject(fault: Fault | null): void {
    this.#fault = fault;
    this.#matching = 0;
  }

  #call(name: string, args: unknown[]): void {
    this.calls.push(name);
    const proceed = (): void => {
      const fault = this.#fault;
      if (fault !== null && (fault.matches?.(name) ?? true)) {
        const index = this.#matching++;
        if (index === fault.at || (fault.lasting === true && index > fault.at)) {
          this.faults += 1;
          const error = Object.assign(new Error(`${fault.code}: injected, ${name}`), { code: fault.code });
          // A descriptor is gone even when close reports an error.
          if (name === 'close') fs.close(args[0] as number, () => {});
          setImmediate(args[args.length - 1] as Callback, error);
          return;
        }
      }
      if (name === 'write') args[3] = Math.min(args[3] as number, this.writeBytesMax);
      (fs[name as 'close'] as unknown as Call)(...args);
    };
    if (this.gate === null) proceed();
    else this.gate(name, proceed);
  }
}
