/**
 * Asks the application where a peer is now, each time it is to be dialled. The engine does not wait for it: an application that is
 * busy, or that never answers, costs one attempt.
 */

import type { Address } from '../transport/transport.js';
import type { Peer } from './links.js';

/** Plain data: it comes from the application's thread. `address` is null where it knows none, for `reason`. */
export interface AddressAnswer {
  readonly request: number;
  readonly address: Address | null;
  readonly reason: string;
}

export type ResolveAddress = (
  peer: Peer,
  callback: (address: Address | null, reason: string) => void,
) => void;

export interface AddressResolverOptions {
  readonly ask: (request: number, peer: Peer) => void;
  /** Milliseconds after which an answer has not come. */
  readonly timeoutMs: number;
  /** Yields what stops it. */
  readonly startTimer: (timeoutMs: number, call: () => void) => () => void;
}

interface Asked {
  readonly id: string;
  readonly stopTimer: () => void;
  readonly callback: (address: Address | null, reason: string) => void;
}

export class AddressResolver {
  readonly #options: AddressResolverOptions;
  readonly #asked: Map<number, Asked> = new Map();
  /** Where each peer was said to be last. */
  readonly #last: Map<string, Address> = new Map();
  #requests = 0;

  constructor(options: AddressResolverOptions) {
    this.#options = options;
  }

  readonly resolve: ResolveAddress = (peer, callback) => {
    const { ask, timeoutMs, startTimer } = this.#options;
    this.#requests += 1;
    const request = this.#requests;
    const stopTimer = startTimer(timeoutMs, () => {
      this.#asked.delete(request);
      // An application whose thread is busy must not keep replicas apart that were linked: where the peer was is better than nowhere.
      callback(this.#last.get(peer.id) ?? null, `its address was not told within ${timeoutMs} ms`);
    });
    this.#asked.set(request, { id: peer.id, stopTimer, callback });
    ask(request, peer);
  };

  /** Late answers are for nobody. */
  onAnswer({ request, address, reason }: AddressAnswer): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) return;
    this.#asked.delete(request);
    asked.stopTimer();
    if (address !== null) this.#last.set(asked.id, address);
    asked.callback(address, reason);
  }

  close(): void {
    for (const { stopTimer } of this.#asked.values()) stopTimer();
    this.#asked.clear();
  }
}
