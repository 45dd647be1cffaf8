/** What is fuzzed: code of src/ that reads bytes from outside, and what must hold whatever they are. */

import type { Random } from './random.js';

/** Says that something notable happened: an input that makes it happen for the first time is kept. */
export type Trace = (feature: string) => void;

export interface FuzzTarget {
  readonly name: string;
  /** What must hold, in one line for people. */
  readonly about: string;
  /** Longer inputs are not made. */
  readonly inputBytesMax: number;
  /** Only these files of src/ (or, for a canary, of test/) guide the search: a part of their path each. */
  readonly guides: readonly string[];
  /** What one input may make the code allocate, beyond a small multiple of its length. Default 16 MiB. */
  readonly memoryBytesMax?: number;
  /** Words of the format. */
  readonly dictionary?: readonly Uint8Array[];
  /** Whole, right inputs to begin with. */
  seeds(): Uint8Array[];
  /** Mends checksums and lengths, so that what lies behind them is reached too. May leave some wrong. */
  repair?(input: Uint8Array, random: Random): Uint8Array;
  /** Changes the input as its format suggests. */
  mutate?(input: Uint8Array, random: Random): Uint8Array;
  /** Runs the code on the input. What it throws is a finding. May change `input`. */
  run(input: Uint8Array, trace: Trace): void | Promise<void>;
}

export function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'latin1'));
}

export function words(...values: readonly string[]): Uint8Array[] {
  return values.map(text);
}

/** Throws: the code under test did what it must not do. */
export function must(holds: boolean, what: string, detail?: () => string): asserts holds {
  if (!holds) throw new Error(detail === undefined ? what : `${what}: ${detail()}`);
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads an input as a sequence of choices; zeros behind its end. */
export class Choices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return Math.max(0, this.#bytes.length - this.#at);
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  below(bound: number): number {
    return this.byte() % bound;
  }

  word(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }

  take(count: number): Uint8Array {
    const part = this.#bytes.slice(this.#at, this.#at + count);
    this.#at += count;
    return part;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
