/**
 * Wakes the application for what was delivered. On a secondary, with a load, that is nothing that anybody waits for: the next accept, which is
 * here already, will tell of more, so the application is woken once for all that comes within a millisecond. Waking it for each decree
 * would cost this thread a system call, and the machine a switch of threads, while the primary's callers wait for the next one.
 */

import type { Bridge } from './bridge.js';

export interface DeliveryWakeOptions {
  readonly bridge: Bridge;
  /** Decrees that are accepted here and not known chosen: word of them will come. */
  readonly accepted: () => { readonly size: number };
  readonly isPrimary: () => boolean;
  /** Batches of this replica's own commands that are not known executed. */
  readonly ownBatches: readonly unknown[];
  /** Bytes that were delivered and not executed. */
  readonly openBytes: () => number;
  readonly later: (afterMs: number, call: () => void) => void;
  readonly wakeApplication: () => void;
}

/** As long as word of what was chosen may wait for an accept that carries it. */
const GATHER_MS = 1;
/** So many decrees, or bytes, do not wait: the application executes about as much before it lets others run. */
const GATHER_DECREES_MAX = 256;
const GATHER_BYTES_MAX = 1024 * 1024;

export class DeliveryWake {
  readonly #options: DeliveryWakeOptions;
  #isTimed = false;
  readonly #onTimer = (): void => {
    this.#isTimed = false;
    if (this.#options.bridge.deliveriesOpen > 0) this.#wake();
  };

  constructor(options: DeliveryWakeOptions) {
    this.#options = options;
  }

  /** Something was delivered. */
  onDelivered(): void {
    if (!this.#canWait) this.#wake();
    else if (!this.#isTimed) {
      this.#isTimed = true;
      this.#options.later(GATHER_MS, this.#onTimer);
    }
  }

  get #canWait(): boolean {
    const { bridge, accepted, isPrimary, ownBatches, openBytes } = this.#options;
    if (isPrimary() || accepted().size === 0) return false;
    if (bridge.deliveriesOpen >= GATHER_DECREES_MAX || openBytes() >= GATHER_BYTES_MAX) return false;
    if (ownBatches.length > 0) return false;
    // A read waits for a slot that is not applied yet.
    const { applied } = bridge;
    return bridge.readSlot('read') <= applied && bridge.readSlot('lease-read') <= applied;
  }

  #wake(): void {
    const { bridge, wakeApplication } = this.#options;
    if (bridge.takeApplicationAsleep()) wakeApplication();
  }
}
