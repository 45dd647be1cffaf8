/** Reads that the application makes, as the bridge tells of them: numbers, of each kind apart. */

import type { Input } from '../protocol/inputs.js';
import { type Bridge, type ReadKind, readKinds } from './bridge.js';

export class ReadIntake {
  readonly #bridge: Bridge;
  readonly #asked: Record<ReadKind, number> = { read: 0, 'lease-read': 0 };

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  get isDue(): boolean {
    return readKinds.some((kind) => this.#bridge.readsAsked(this.#asked[kind], kind) > this.#asked[kind]);
  }

  take(step: (input: Input) => void): void {
    for (const kind of readKinds) {
      const read = this.#bridge.readsAsked(this.#asked[kind], kind);
      if (read === this.#asked[kind]) continue;
      this.#asked[kind] = read;
      step({ kind, read });
    }
  }
}
