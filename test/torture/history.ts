/** What all clients did and were told, in two books: every operation of a short window, and serial numbers over the whole run. */

import type { KeyValueInput, KeyValueOutput } from '../history/kv-model.js';
import type { Operation } from '../history/operation.js';
import { type Serial, SerialOracle } from '../history/serial-oracle.js';
import type { ReadKind } from './session.js';

export type Recorded = Operation<KeyValueInput, KeyValueOutput>;

export interface Counts {
  operations: number;
  acknowledged: number;
  /** The outcome is unknown: it happened once after the call, or never. */
  unknown: number;
  /** Certainly not executed. */
  refused: number;
}

export class History {
  readonly counts: Counts = { operations: 0, acknowledged: 0, unknown: 0, refused: 0 };
  /** Reads that were answered, by what they had to see. */
  readonly reads: Record<ReadKind, number> = { linearizable: 0, lease: 0, after: 0, maxAge: 0 };
  readonly serials = new SerialOracle();
  /** Since the last quiet point, those that are no part of a serial register. */
  readonly operations: Recorded[] = [];
  /** What an error reply said that no request here should get. */
  readonly oddReplies: string[] = [];
  /** Reads that did not see what their own client had written. */
  readonly staleReads: string[] = [];
  #lastAcknowledgedAt = 0;

  get lastAcknowledgedAt(): number {
    return this.#lastAcknowledgedAt;
  }

  /** `output` undefined: unknown. */
  record(client: number, input: KeyValueInput, output: KeyValueOutput | undefined, calledAt: number): void {
    const known = output !== undefined;
    const returnedAt = known ? performance.now() : Number.POSITIVE_INFINITY;
    this.operations.push({ client, input, output, calledAt, returnedAt });
    this.count(known);
  }

  count(known: boolean): void {
    this.counts.operations += 1;
    if (known) {
      this.counts.acknowledged += 1;
      this.#lastAcknowledgedAt = performance.now();
    } else this.counts.unknown += 1;
  }

  countRead(kind: ReadKind): void {
    this.reads[kind] += 1;
  }

  refuse(): void {
    this.counts.operations += 1;
    this.counts.refused += 1;
  }
}

export function serialOf(value: unknown): Serial | null {
  return value === null ? null : Number(value);
}
